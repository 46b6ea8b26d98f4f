//! The drivers of the sample tree by kind: what each kind builds upon and answers to; and what
//! single modules say besides.

/// What a driver binds to: the kind of alias it carries.
#[derive(Clone, Copy)]
pub(super) enum Bus {
    Pci(u16),
    Usb(u16),
    Hid,
    I2c,
    Of,
    Acpi,
    Platform,
    Crypto,
    Fs,
    NetFilter,
    HdaCodec,
    Virtio,
    Nothing,
}

/// Modules of the same kind in the same directory.
pub(super) struct Family {
    pub(super) dir: &'static str,
    pub(super) bus: Bus,
    /// Modules whose symbols all of them use.
    pub(super) needs: &'static str,
    /// Their names; a directory may come before.
    pub(super) names: &'static str,
}

const fn family(dir: &'static str, bus: Bus, needs: &'static str, names: &'static str) -> Family {
    Family { dir, bus, needs, names }
}

pub(super) const FAMILIES: &[Family] = &[
    family(
        "kernel/crypto",
        Bus::Crypto,
        "",
        "blowfish_generic camellia_generic cast5_generic chacha20poly1305 cmac \
         crc32c_generic echainiv michael_mic seqiv serpent_generic \
         twofish_generic xcbc xxhash_generic",
    ),
    family(
        "kernel/arch/x86/crypto",
        Bus::Crypto,
        "cryptd",
        "aesni-intel crc32c-intel sha512-ssse3",
    ),
    family("kernel/arch/x86/kvm", Bus::Acpi, "kvm", "kvm-intel kvm-amd"),
    family("kernel/fs", Bus::Fs, "jbd2 mbcache", "ext4/ext4 ocfs2/ocfs2"),
    family("kernel/fs", Bus::Fs, "raid6_pq xor zstd_compress libcrc32c", "btrfs/btrfs"),
    family("kernel/fs", Bus::Fs, "libcrc32c", "xfs/xfs gfs2/gfs2"),
    family("kernel/fs", Bus::Fs, "fat", "fat/vfat fat/msdos"),
    family("kernel/fs", Bus::Fs, "nfs sunrpc", "nfs/nfsv3 nfs/nfsv4"),
    family("kernel/fs", Bus::Fs, "lockd grace sunrpc exportfs", "nfsd/nfsd"),
    family("kernel/fs", Bus::Fs, "netfs", "9p/9p smb/client/cifs ceph/ceph afs/kafs"),
    family(
        "kernel/fs",
        Bus::Fs,
        "",
        "autofs/autofs4 erofs/erofs exfat/exfat f2fs/f2fs fuse/fuse \
         hfsplus/hfsplus isofs/isofs ntfs3/ntfs3 overlayfs/overlay \
         squashfs/squashfs ubifs/ubifs udf/udf",
    ),
    family("kernel/fs/nls", Bus::Nothing, "", "nls_ascii nls_cp437 nls_iso8859-1 nls_utf8"),
    family("kernel/drivers/net", Bus::Nothing, "", "tun dummy veth vxlan macsec bonding/bonding"),
    family("kernel/drivers/net", Bus::Nothing, "tap", "macvtap ipvtap"),
    family("kernel/drivers/net/ppp", Bus::Nothing, "ppp_generic", "ppp_async ppp_deflate pppoe"),
    family(
        "kernel/drivers/net/ethernet/intel",
        Bus::Pci(0x8086),
        "ptp",
        "e1000e/e1000e i40e/i40e ice/ice igc/igc",
    ),
    family(
        "kernel/drivers/net/ethernet/intel",
        Bus::Pci(0x8086),
        "ptp dca i2c-algo-bit",
        "igb/igb ixgbe/ixgbe",
    ),
    family(
        "kernel/drivers/net/ethernet/broadcom",
        Bus::Pci(0x14e4),
        "ptp libphy",
        "tg3 bnx2 bnxt/bnxt_en",
    ),
    family("kernel/drivers/net/ethernet/realtek", Bus::Pci(0x10ec), "libphy mii", "r8169 8139too"),
    family(
        "kernel/drivers/net/ethernet",
        Bus::Pci(0x15b3),
        "ptp ib_core",
        "mellanox/mlx4/mlx4_core mellanox/mlx5/core/mlx5_core",
    ),
    family(
        "kernel/drivers/net/ethernet",
        Bus::Pci(0x1d6a),
        "mii",
        "amd/pcnet32 aquantia/atlantic atheros/alx/alx marvell/sky2 nvidia/forcedeth via/via-rhine",
    ),
    family(
        "kernel/drivers/net/phy",
        Bus::Of,
        "libphy mdio-bus",
        "broadcom marvell micrel realtek aquantia",
    ),
    family(
        "kernel/drivers/net/usb",
        Bus::Usb(0x0b95),
        "usbnet mii",
        "asix ax88179_178a dm9601 smsc75xx smsc95xx mcs7830",
    ),
    family(
        "kernel/drivers/net/usb",
        Bus::Usb(0x0bda),
        "cdc_ether usbnet",
        "r8153_ecm rndis_host zaurus",
    ),
    family(
        "kernel/drivers/net/wireless/intel/iwlwifi",
        Bus::Pci(0x8086),
        "cfg80211 mac80211",
        "iwlwifi dvm/iwldvm mvm/iwlmvm",
    ),
    family(
        "kernel/drivers/net/wireless",
        Bus::Pci(0x168c),
        "cfg80211 mac80211",
        "ath/ath9k/ath9k ath/ath10k/ath10k_pci mediatek/mt76/mt7921e realtek/rtw88/rtw88_8822ce",
    ),
    family(
        "kernel/drivers/net/wireless",
        Bus::Usb(0x148f),
        "cfg80211 mac80211",
        "ralink/rt2x00/rt2800usb realtek/rtl8xxxu/rtl8xxxu",
    ),
    family(
        "kernel/drivers/bluetooth",
        Bus::Usb(0x8087),
        "bluetooth btintel usbcore",
        "btusb bpa10x",
    ),
    family("kernel/drivers/bluetooth", Bus::Nothing, "bluetooth", "hci_vhci hci_uart"),
    family(
        "kernel/net/netfilter",
        Bus::NetFilter,
        "x_tables",
        "xt_LOG xt_comment xt_limit xt_mark xt_multiport",
    ),
    family(
        "kernel/net/netfilter",
        Bus::NetFilter,
        "x_tables nf_conntrack",
        "xt_CT xt_conntrack xt_connmark xt_state",
    ),
    family(
        "kernel/net/netfilter",
        Bus::NetFilter,
        "nf_conntrack",
        "nf_conntrack_ftp nf_conntrack_sip nf_conntrack_tftp",
    ),
    family(
        "kernel/net/netfilter",
        Bus::NetFilter,
        "nf_tables",
        "nft_compat nft_limit nft_log nft_hash",
    ),
    family(
        "kernel/net/netfilter",
        Bus::NetFilter,
        "nf_tables nf_conntrack nf_nat",
        "nft_ct nft_masq nft_nat nft_redir",
    ),
    family(
        "kernel/net",
        Bus::Nothing,
        "",
        "8021q/8021q bridge/bridge sctp/sctp tipc/tipc key/af_key llc/llc",
    ),
    family(
        "kernel/drivers/scsi",
        Bus::Pci(0x1000),
        "scsi_mod scsi_transport_sas",
        "megaraid/megaraid_sas mpt3sas/mpt3sas hpsa smartpqi/smartpqi",
    ),
    family("kernel/drivers/scsi", Bus::Nothing, "scsi_mod", "sd_mod sg sr_mod st ses"),
    family(
        "kernel/drivers/ata",
        Bus::Pci(0x8086),
        "libata",
        "ata_piix ata_generic sata_nv sata_via",
    ),
    family("kernel/drivers/ata", Bus::Pci(0x1b4b), "libata libahci", "ahci acard-ahci"),
    family("kernel/drivers/md", Bus::Nothing, "dm-mod", "dm-crypt dm-log dm-multipath dm-zero"),
    family(
        "kernel/drivers/md",
        Bus::Nothing,
        "dm-mod dm-bufio",
        "dm-integrity dm-snapshot dm-verity",
    ),
    family("kernel/drivers/md", Bus::Nothing, "md-mod", "linear raid0 raid1 raid10"),
    family("kernel/drivers/md", Bus::Nothing, "md-mod raid6_pq xor libcrc32c", "raid456"),
    family("kernel/drivers/block", Bus::Nothing, "", "loop nbd brd zram/zram"),
    family("kernel/drivers/nvme/host", Bus::Pci(0x144d), "", "nvme nvme-fabrics"),
    family(
        "kernel/drivers/usb/host",
        Bus::Pci(0x1912),
        "usbcore xhci-hcd",
        "xhci-pci xhci-pci-renesas",
    ),
    family("kernel/drivers/usb/host", Bus::Pci(0x8086), "usbcore", "ehci-pci ohci-pci uhci-hcd"),
    family(
        "kernel/drivers/usb/storage",
        Bus::Usb(0x0781),
        "usbcore scsi_mod",
        "usb-storage uas ums-realtek",
    ),
    family(
        "kernel/drivers/usb/serial",
        Bus::Usb(0x0403),
        "usbserial",
        "ftdi_sio cp210x pl2303 ch341",
    ),
    family(
        "kernel/drivers/hid",
        Bus::Hid,
        "hid",
        "hid-apple hid-generic hid-microsoft hid-multitouch uhid",
    ),
    family(
        "kernel/drivers/hid",
        Bus::Hid,
        "hid usbhid",
        "hid-logitech-dj hid-logitech-hidpp wacom",
    ),
    family(
        "kernel/drivers/gpu/drm",
        Bus::Pci(0x1002),
        "drm drm_kms_helper ttm i2c-algo-bit",
        "amd/amdgpu/amdgpu radeon/radeon",
    ),
    family(
        "kernel/drivers/gpu/drm",
        Bus::Pci(0x10de),
        "drm drm_kms_helper ttm i2c-algo-bit",
        "nouveau/nouveau i915/i915",
    ),
    family(
        "kernel/drivers/gpu/drm",
        Bus::Virtio,
        "drm drm_kms_helper virtio virtio_ring",
        "virtio/virtio-gpu",
    ),
    family(
        "kernel/drivers/media/usb",
        Bus::Usb(0x046d),
        "usbcore videodev videobuf2-v4l2 mc",
        "uvc/uvcvideo em28xx/em28xx au0828/au0828",
    ),
    family("kernel/drivers/media/i2c", Bus::I2c, "videodev mc", "imx219 imx258 ov2680 ov5640"),
    family("kernel/drivers/hwmon", Bus::I2c, "", "adm1021 adt7475 jc42 lm75 lm90 lm95241"),
    family("kernel/drivers/hwmon", Bus::Platform, "", "coretemp k10temp it87 nct6775 w83627ehf"),
    family(
        "kernel/drivers/i2c/busses",
        Bus::Pci(0x8086),
        "i2c-smbus",
        "i2c-i801 i2c-piix4 i2c-nvidia-gpu",
    ),
    family("kernel/drivers/i2c/busses", Bus::Acpi, "", "i2c-designware-platform i2c-scmi"),
    family(
        "kernel/drivers/platform/x86",
        Bus::Acpi,
        "rfkill",
        "thinkpad_acpi ideapad-laptop asus-wmi dell-laptop hp-wmi",
    ),
    family(
        "kernel/drivers/input",
        Bus::Platform,
        "",
        "joydev evdev misc/uinput misc/pcspkr serio/serio_raw mouse/psmouse",
    ),
    family(
        "kernel/drivers/virtio",
        Bus::Virtio,
        "virtio virtio_ring",
        "virtio_pci virtio_balloon virtio_input",
    ),
    family("kernel/drivers/vhost", Bus::Nothing, "vhost", "vhost_vsock vhost_scsi"),
    family("kernel/drivers/vhost", Bus::Nothing, "vhost tap", "vhost_net"),
    family(
        "kernel/sound/pci/hda",
        Bus::HdaCodec,
        "snd-hda-codec snd-hda-codec-generic",
        "snd-hda-codec-realtek snd-hda-codec-conexant snd-hda-codec-cirrus snd-hda-codec-analog",
    ),
    family(
        "kernel/sound/pci/hda",
        Bus::Pci(0x8086),
        "snd-hda-codec snd-hda-core snd-pcm",
        "snd-hda-intel",
    ),
    family(
        "kernel/sound/pci",
        Bus::Pci(0x1102),
        "snd-pcm snd-rawmidi",
        "emu10k1/snd-emu10k1 ice1712/snd-ice1724 oxygen/snd-oxygen",
    ),
    family(
        "kernel/sound/usb",
        Bus::Usb(0x0582),
        "snd-pcm snd-rawmidi usbcore",
        "snd-usb-audio line6/snd-usb-line6",
    ),
    family(
        "kernel/sound/soc/codecs",
        Bus::I2c,
        "snd-soc-core",
        "snd-soc-da7219 snd-soc-max98357a snd-soc-rt5640 snd-soc-rt5682 snd-soc-wm8804",
    ),
];

/// Device nodes that ask for a module before it is loaded: name, node, kind, major, minor.
pub(super) const DEVICE_NODES: &[(&str, &str, &str, u16, u16)] = &[
    ("autofs4", "autofs", "char", 10, 235),
    ("btrfs", "btrfs-control", "char", 10, 234),
    ("dm-mod", "mapper/control", "char", 10, 236),
    ("fuse", "fuse", "char", 10, 229),
    ("hci_vhci", "vhci", "char", 10, 137),
    ("loop", "loop-control", "char", 10, 237),
    ("ppp_generic", "ppp", "char", 108, 0),
    ("snd-seq", "snd/seq", "char", 116, 1),
    ("snd-timer", "snd/timer", "char", 116, 33),
    ("tun", "net/tun", "char", 10, 200),
    ("uhid", "uhid", "char", 10, 239),
    ("uinput", "uinput", "char", 10, 223),
    ("vhost_net", "vhost-net", "char", 10, 238),
    ("vhost_vsock", "vhost-vsock", "char", 10, 241),
];

/// What should be loaded before or after a module, though no symbol says so.
pub(super) const SOFTDEPS: &[(&str, &str)] = &[
    ("btrfs", "pre: crc32c"),
    ("btrfs", "pre: xxhash64"),
    ("btrfs", "pre: blake2b-256"),
    ("ceph", "pre: crc32c"),
    ("cifs", "pre: nls"),
    ("ext4", "pre: crc32c"),
    ("iwlmvm", "pre: iwlwifi"),
    ("nfsv4", "pre: rpcsec_gss_krb5 post: nfs_layout_nfsv41_files"),
    ("sctp", "pre: hmac(sha256)"),
    ("snd-hda-intel", "post: snd-hda-codec-realtek snd-hda-codec-generic"),
    ("xfs", "pre: crc32c"),
];

/// What a module may ask for later.
pub(super) const WEAKDEPS: &[(&str, &str)] = &[
    ("iwlwifi", "iwlmvm"),
    ("iwlwifi", "iwldvm"),
    ("libphy", "aquantia"),
    ("r8169", "realtek"),
    ("kvm-intel", "vfio-pci"),
];

/// What is part of the kernel image: path and one alias.
pub(super) const BUILTIN: &[(&str, &str)] = &[
    ("kernel/arch/x86/kernel/msr", ""),
    ("kernel/arch/x86/kernel/cpuid", ""),
    ("kernel/block/bfq", "bfq-iosched"),
    ("kernel/crypto/sha256_generic", "crypto-sha256"),
    ("kernel/crypto/aes_generic", "crypto-aes-generic"),
    ("kernel/crypto/lzo", "crypto-lzo"),
    ("kernel/drivers/acpi/button", "acpi*:PNP0C0C:*"),
    ("kernel/drivers/char/hw_random/rng-core", "devname:hwrng"),
    ("kernel/drivers/input/serio/i8042", "platform:i8042"),
    ("kernel/drivers/pci/hotplug/shpchp", "pci:v*d*sv*sd*bc06sc04i*"),
    ("kernel/drivers/tty/serial/8250/8250", "platform:serial8250"),
    ("kernel/drivers/tty/serial/8250/8250_pci", "pci:v00001D0Fd00008250sv*sd*bc*sc*i*"),
    ("kernel/drivers/video/fbdev/efifb", "platform:efi-framebuffer"),
    ("kernel/fs/configfs/configfs", "fs-configfs"),
    ("kernel/fs/pstore/pstore", "fs-pstore"),
    ("kernel/lib/crc32", "crc32"),
    ("kernel/net/ipv6/ipv6", "net-pf-10"),
    ("kernel/net/unix/unix", "net-pf-1"),
];

/// A few of the symbols the kernel image exports.
pub(super) const VMLINUX: &str = "__fentry__ __kmalloc __kmalloc_noprof __mutex_init \
    __register_chrdev __stack_chk_fail __x86_return_thunk _copy_from_user _copy_to_user _printk \
    _raw_spin_lock _raw_spin_unlock alloc_workqueue_noprof cancel_delayed_work_sync complete \
    device_create dma_alloc_attrs driver_unregister free_irq init_timer_key jiffies kfree \
    kmem_cache_alloc_noprof kmem_cache_create kmem_cache_destroy memcpy memset misc_register \
    module_put msleep mutex_lock mutex_unlock netif_rx param_ops_int pci_enable_device \
    pci_register_driver queue_work_on register_filesystem register_netdev request_threaded_irq \
    schedule snprintf strcmp strscpy unregister_filesystem unregister_netdev usleep_range_state \
    vfree vmalloc_noprof wait_for_completion";
