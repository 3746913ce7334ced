/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target without libFuzzer.
 *
 *     fuzz_x FILE...                 replay files, such as a corpus or a crash
 *     fuzz_x [-runs=N] [-seed=S]     N inputs (20000; 5000 with AddressSanitizer) from the seed S (MEMSTORE_TEST_SEED, else the clock)
 *
 * The seed is printed first. When an input ends the process, its number is printed and its bytes
 * are saved to the file crash-<seed>-<number>, which replays it. */
#include "fuzz.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__)
#define DEFAULT_RUNS 5000
#else
#define DEFAULT_RUNS 20000
#endif
#define LARGEST_INPUT ((size_t)4096)

static uint8_t input[LARGEST_INPUT];
static size_t input_size;
static uint64_t seed;
static uint64_t run;

/* Sanitizers end the process without a signal, but call this first where they are linked. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

/* Not async-signal-safe, and need not be: the process is lost, and a file that could not be
 * written loses nothing, because the seed gives the input again. */
static void save_input(void)
{
    static int saved;
    char name[64];

    if (saved++ != 0)
        return;
    snprintf(name, sizeof name, "crash-%" PRIu64 "-%" PRIu64, seed, run);
    FILE *const file = fopen(name, "wb");
    const int written = file != NULL && fwrite(input, 1, input_size, file) == input_size;
    fprintf(stderr, "failed at input %" PRIu64 " of seed %" PRIu64 ", %s %s\n", run, seed,
            written ? "saved to" : "could not be saved to", name);
    if (file != NULL)
        fclose(file);
}

static void on_signal(int number)
{
    save_input();
    signal(number, SIG_DFL);
    raise(number);
}

static size_t random_bytes(struct fuzz_random *random, uint8_t *out, size_t cap)
{
    const size_t size = fuzz_below(random, cap + 1);

    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)fuzz_next(random);
    return size;
}

static void run_random(uint64_t runs)
{
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        signal(fatal[i], on_signal);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(save_input);

    fprintf(stderr, "seed %" PRIu64 ", %" PRIu64 " inputs (replay with -seed=%" PRIu64 ")\n", seed,
            runs, seed);
    struct fuzz_random random = {seed};
    for (run = 0; run < runs; run++) {
        /* An exact copy on the heap lets AddressSanitizer see a read past the end. */
        input_size = fuzz_generate != NULL ? fuzz_generate(&random, input, LARGEST_INPUT)
                                           : random_bytes(&random, input, LARGEST_INPUT);
        uint8_t *const copy = malloc(input_size + (input_size == 0));
        FUZZ_CHECK(copy != NULL);
        memcpy(copy, input, input_size);
        LLVMFuzzerTestOneInput(copy, input_size);
        free(copy);
    }
}

static int replay(const char *path)
{
    FILE *const file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0, got = 0;

    if (file == NULL) {
        perror(path);
        return EXIT_FAILURE;
    }
    do {
        size += got;
        data = realloc(data, size + LARGEST_INPUT);
        FUZZ_CHECK(data != NULL);
        got = fread(data + size, 1, LARGEST_INPUT, file);
    } while (got > 0);
    const int failed = ferror(file);
    fclose(file);
    if (!failed) {
        data = realloc(data, size + (size == 0));
        FUZZ_CHECK(data != NULL);
        fprintf(stderr, "%s: %zu bytes\n", path, size);
        LLVMFuzzerTestOneInput(data, size);
    }
    free(data);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Read "-name=number"; false when the argument is another. */
static int read_option(const char *argument, const char *name, uint64_t *value)
{
    const size_t length = strlen(name);
    char *end;

    if (strncmp(argument, name, length) != 0 || argument[length] < '0' || argument[length] > '9')
        return 0;
    *value = strtoull(argument + length, &end, 10);
    return *end == '\0';
}

int main(int argc, char **argv)
{
    const char *const given = getenv("MEMSTORE_TEST_SEED");
    struct timespec now;
    uint64_t runs = DEFAULT_RUNS;
    int files = 0, status = EXIT_SUCCESS;

    clock_gettime(CLOCK_REALTIME, &now);
    seed = given != NULL ? strtoull(given, NULL, 0)
                         : (uint64_t)now.tv_sec * 1000000007 + (uint64_t)now.tv_nsec;
    for (int i = 1; i < argc; i++) {
        if (read_option(argv[i], "-runs=", &runs) || read_option(argv[i], "-seed=", &seed))
            continue;
        if (argv[i][0] == '-') {
            fprintf(stderr, "usage: %s [-runs=N] [-seed=S] | FILE...\n", argv[0]);
            return EXIT_FAILURE;
        }
        files++;
        if (replay(argv[i]) != EXIT_SUCCESS)
            status = EXIT_FAILURE;
    }
    if (files == 0)
        run_random(runs);
    return status;
}
