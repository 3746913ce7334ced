/* SPDX-License-Identifier: Apache-2.0 */
#include "roofline/cases.h"

enum { WRITE_ONE_IN = 20 };

/* Makes the compiler believe that the bytes at `at` are read here, so that it cannot leave out
 * writing them. */
static inline void consume(const void *at)
{
    __asm__ volatile("" : : "r"(at) : "memory");
}

static inline uint64_t first_word(const void *value)
{
    uint64_t word;

    memcpy(&word, value, sizeof word);
    return word;
}

static struct outcome run_empty(const struct subject *subject, const struct stream *stream)
{
    struct outcome outcome = {0, 0};

    (void)subject;
    for (size_t i = 0; i < stream->count; i++) {
        consume(stream->keys[i]);
        outcome.sum += first_word(stream->keys[i] + 12);
        outcome.done++;
    }
    return outcome;
}

static struct outcome run_loop(const struct subject *subject, const struct stream *stream)
{
    struct loop_table table = subject->loop;
    struct outcome outcome = {0, 0};
    unsigned char value[VALUE_SIZE];

    for (size_t i = 0; i < stream->count; i++) {
        if (loop_get(&table, stream->keys[i], value)) {
            consume(value);
            outcome.sum += first_word(value);
            outcome.done++;
        }
    }
    return outcome;
}

static struct outcome run_get(const struct subject *subject, const struct stream *stream)
{
    memstore *store = subject->read;
    struct outcome outcome = {0, 0};
    unsigned char value[VALUE_SIZE];
    size_t size;

    for (size_t i = 0; i < stream->count; i++) {
        if (memstore_get(store, stream->keys[i], BENCH_KEY_SIZE, value, sizeof value, &size) ==
                MEMSTORE_OK &&
            size == VALUE_SIZE) {
            outcome.sum += first_word(value);
            outcome.done++;
        }
    }
    return outcome;
}

static inline struct outcome loop_batches(const struct subject *subject,
                                          const struct stream *stream, unsigned n)
{
    struct loop_table table = subject->loop;
    struct outcome outcome = {0, 0};
    unsigned char values[BATCH][VALUE_SIZE];

    for (size_t i = 0; i < stream->count; i += n) {
        outcome.done += loop_get_batch(&table, &stream->keys[i], values, n);
        consume(values);
        for (unsigned k = 0; k < n; k++)
            outcome.sum += first_word(values[k]);
    }
    return outcome;
}

static struct outcome run_loop8(const struct subject *subject, const struct stream *stream)
{
    return loop_batches(subject, stream, 8);
}

static struct outcome run_loop16(const struct subject *subject, const struct stream *stream)
{
    return loop_batches(subject, stream, BATCH);
}

/* get_many hands out views; copying them out makes it the loop's equal. */
static inline struct outcome get_batches(const struct subject *subject, const struct stream *stream,
                                         unsigned n)
{
    memstore *store = subject->read;
    struct outcome outcome = {0, 0};
    unsigned char values[LARGEST_BATCH][VALUE_SIZE];
    memstore_view views[LARGEST_BATCH];
    memstore_key keys[LARGEST_BATCH];
    size_t found;

    for (size_t i = 0; i < stream->count; i += n) {
        for (unsigned k = 0; k < n; k++)
            keys[k] = (memstore_key){stream->keys[i + k], BENCH_KEY_SIZE};
        if (memstore_get_many(store, keys, n, views, &found) != MEMSTORE_OK)
            continue;
        for (unsigned k = 0; k < n; k++) {
            if (views[k].size == VALUE_SIZE) {
                memcpy(values[k], views[k].data, VALUE_SIZE);
                outcome.sum += first_word(values[k]);
            }
        }
        consume(values);
        memstore_view_release_many(views, n);
        outcome.done += found;
    }
    return outcome;
}

static struct outcome run_get_many8(const struct subject *subject, const struct stream *stream)
{
    return get_batches(subject, stream, 8);
}

static struct outcome run_get_many16(const struct subject *subject, const struct stream *stream)
{
    return get_batches(subject, stream, BATCH);
}

static struct outcome run_get_many64(const struct subject *subject, const struct stream *stream)
{
    return get_batches(subject, stream, 64);
}

static struct outcome run_get_many256(const struct subject *subject, const struct stream *stream)
{
    return get_batches(subject, stream, LARGEST_BATCH);
}

static struct outcome run_has(const struct subject *subject, const struct stream *stream)
{
    memstore *store = subject->read;
    struct outcome outcome = {0, 0};

    for (size_t i = 0; i < stream->count; i++)
        outcome.done += memstore_has(store, stream->keys[i], BENCH_KEY_SIZE) == MEMSTORE_OK;
    return outcome;
}

/* The value is read in place: its first word only. */
static struct outcome run_get_view(const struct subject *subject, const struct stream *stream)
{
    memstore *store = subject->read;
    struct outcome outcome = {0, 0};
    memstore_view view;

    for (size_t i = 0; i < stream->count; i++) {
        if (memstore_get_view(store, stream->keys[i], BENCH_KEY_SIZE, &view) == MEMSTORE_OK) {
            outcome.sum += first_word(view.data);
            outcome.done++;
            memstore_view_release(&view);
        }
    }
    return outcome;
}

static struct outcome write_all(memstore *store, const struct stream *stream)
{
    struct outcome outcome = {0, 0};
    unsigned char value[VALUE_SIZE] = {0};

    for (size_t i = 0; i < stream->count; i++)
        outcome.done += memstore_set(store, stream->keys[i], BENCH_KEY_SIZE, value, sizeof value,
                                     MEMSTORE_TTL_NONE) == MEMSTORE_OK;
    return outcome;
}

static struct outcome run_overwrite(const struct subject *subject, const struct stream *stream)
{
    return write_all(subject->overwritten, stream);
}

/* 95 % reads and 5 % overwrites. A key that was evicted may be missed until it is written again. */
static struct outcome run_mixed(const struct subject *subject, const struct stream *stream)
{
    memstore *store = subject->overwritten;
    struct outcome outcome = {0, 0};
    unsigned char value[VALUE_SIZE] = {0};
    size_t size;

    for (size_t i = 0; i < stream->count; i++) {
        int status;

        if (i % WRITE_ONE_IN == 0)
            status = memstore_set(store, stream->keys[i], BENCH_KEY_SIZE, value, sizeof value,
                                  MEMSTORE_TTL_NONE);
        else
            status =
                memstore_get(store, stream->keys[i], BENCH_KEY_SIZE, value, sizeof value, &size);
        outcome.done += status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_NOT_FOUND;
    }
    return outcome;
}

static struct outcome run_set_new(const struct subject *subject, const struct stream *stream)
{
    return write_all(subject->filled, stream);
}

const struct bench_case bench_cases[CASES] = {
    [CASE_EMPTY] = {"empty", run_empty, false, CASE_EMPTY, 0.0, 0.0},
    [CASE_LOOP] = {"loop", run_loop, true, CASE_LOOP, 0.0, 0.0},
    [CASE_GET] = {"get", run_get, true, CASE_LOOP, 1.35, 1.9},
    [CASE_LOOP8] = {"loop8", run_loop8, true, CASE_LOOP8, 0.0, 0.0},
    [CASE_GET_MANY8] = {"get_many8", run_get_many8, true, CASE_LOOP8, 1.3, 1.9},
    [CASE_LOOP16] = {"loop16", run_loop16, true, CASE_LOOP16, 0.0, 0.0},
    [CASE_GET_MANY16] = {"get_many16", run_get_many16, true, CASE_LOOP16, 1.3, 1.9},
    /* Of more than are in flight at once there is no faster loop than that of 16. */
    [CASE_GET_MANY64] = {"get_many64", run_get_many64, true, CASE_LOOP16, 1.3, 1.9},
    [CASE_GET_MANY256] = {"get_many256", run_get_many256, true, CASE_LOOP16, 1.3, 1.9},
    [CASE_HAS] = {"has", run_has, false, CASE_LOOP, 0.0, 1.9},
    [CASE_GET_VIEW] = {"get_view", run_get_view, true, CASE_LOOP, 0.0, 0.0},
    [CASE_OVERWRITE] = {"overwrite", run_overwrite, false, CASE_LOOP, 0.0, 0.0},
    [CASE_MIXED] = {"mixed 95/5", run_mixed, false, CASE_LOOP, 0.0, 1.7},
    [CASE_SET_NEW] = {"set_new", run_set_new, false, CASE_LOOP, 0.0, 0.0},
};
