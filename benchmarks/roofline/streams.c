/* SPDX-License-Identifier: Apache-2.0 */
#include "roofline/streams.h"

#include "common/random.h"
#include "common/zipf.h"
#include <stdio.h>
#include <stdlib.h>

static const double zipf_exponent = 0.99;

void stream_value(uint64_t id, unsigned char out[VALUE_SIZE])
{
    uint64_t word = random_mix(id);
    size_t i;

    for (i = 0; i + sizeof word <= VALUE_SIZE; i += sizeof word, word += 0x9e3779b97f4a7c15u)
        memcpy(out + i, &word, sizeof word);
    memcpy(out + i, &word, VALUE_SIZE - i);
}

static void fill(struct stream *stream, enum distribution distribution, uint64_t entries,
                 uint64_t seed)
{
    struct random_state random;
    struct zipf zipf;

    random_seed(&random, seed);
    zipf_init(&zipf, entries, zipf_exponent);
    stream->value_sum = 0;
    for (size_t i = 0; i < stream->count; i++) {
        uint64_t id;

        /* Multiplying by a prime above any range used here maps ranks to ids one to one and
         * scatters the popular ones. */
        if (distribution == ZIPF)
            id = zipf_draw(&zipf, &random) * 2654435761u % entries;
        else
            id = random_below(&random, entries);
        bench_key_format(stream->keys[i], id);
        stream->value_sum += random_mix(id);
    }
}

void stream_refill_fresh(struct stream *stream, uint64_t first_fresh)
{
    for (size_t i = 0; i < stream->count; i++)
        bench_key_format(stream->keys[i], first_fresh + i);
}

struct stream stream_create(enum distribution distribution, size_t count, uint64_t entries,
                            uint64_t seed)
{
    struct stream stream = {.count = count};

    stream.keys = malloc(count * sizeof *stream.keys);
    if (!stream.keys) {
        fputs("bench_roofline: no memory for the key streams\n", stderr);
        exit(1);
    }
    if (distribution == FRESH)
        stream_refill_fresh(&stream, entries);
    else
        fill(&stream, distribution, entries, seed);
    return stream;
}

void stream_destroy(struct stream *stream)
{
    free(stream->keys);
}
