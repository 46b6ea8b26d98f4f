// oneTBB's ordered pipeline on the jobs of load.rs, in a process of its own, for it is C++:
//
//     tbb THREADS WINDOW ITERATIONS JOBS
//
// prints the seconds of the pipeline, the fold of its results in hexadecimal, and the seconds of
// the serial loop here, to be compared with the one in Rust.
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_pipeline.h>

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

static uint64_t spin(uint64_t seed, uint64_t iterations) {
    uint64_t state = seed | 1;
    asm volatile("" : "+m"(state));
    for (uint64_t i = 0; i < iterations; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    asm volatile("" : "+m"(state));
    return state;
}

static uint64_t fold(uint64_t state, uint64_t result) {
    return ((state << 5) | (state >> 59)) ^ result;
}

static uint64_t pipeline(uint64_t window, uint64_t iterations, uint64_t jobs) {
    using namespace oneapi::tbb;
    uint64_t next = 0, state = 0;
    auto source = [&](flow_control &control) -> uint64_t {
        if (next == jobs) {
            control.stop();
            return 0;
        }
        return next++;
    };
    parallel_pipeline(
        window,
        make_filter<void, uint64_t>(filter_mode::serial_in_order, source) &
            make_filter<uint64_t, uint64_t>(filter_mode::parallel,
                [=](uint64_t index) { return spin(index << 1, iterations); }) &
            make_filter<uint64_t, void>(filter_mode::serial_in_order,
                [&](uint64_t result) { state = fold(state, result); }));
    return state;
}

static double seconds_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int main(int argc, char **argv) {
    if (argc != 5)
        return 2;
    uint64_t numbers[4];
    for (int i = 0; i < 4; i++)
        numbers[i] = strtoull(argv[i + 1], nullptr, 10);
    auto [threads, window, iterations, jobs] = numbers;
    oneapi::tbb::global_control limit(
        oneapi::tbb::global_control::max_allowed_parallelism, threads);
    // Its threads are started before the clock.
    pipeline(window, iterations, jobs / 16 + 1);

    auto begin = std::chrono::steady_clock::now();
    uint64_t found = pipeline(window, iterations, jobs);
    double seconds = seconds_since(begin);

    uint64_t state = 0, some = jobs / 16 + 1;
    begin = std::chrono::steady_clock::now();
    for (uint64_t index = 0; index < some; index++)
        state = fold(state, spin(index << 1, iterations));
    asm volatile("" : "+m"(state));
    double serial = seconds_since(begin) / some * jobs;
    printf("%.9f %" PRIx64 " %.9f\n", seconds, found, serial);
    return 0;
}
