/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

#include "roofline/loop_table.c"

/* As fillValue() of streams.go makes it. */
void stream_value(uint64_t id, unsigned char out[VALUE_SIZE])
{
    const uint32_t number = (uint32_t)id;

    for (size_t i = 0; i < VALUE_SIZE; i++)
        out[i] = (unsigned char)(id + i);
    memcpy(out, &number, sizeof number);
}

struct loop_table *toy_open(uint64_t entries)
{
    struct loop_table *table = malloc(sizeof *table);

    if (table != NULL)
        *table = loop_table_create(entries, true);
    return table;
}

void toy_close(struct loop_table *table)
{
    loop_table_destroy(table);
    free(table);
}

int toy_get(const struct loop_table *table, const unsigned char *key, unsigned char *out)
{
    return loop_get(table, (const char *)key, out);
}

int toy_set(struct loop_table *table, const unsigned char *key, const unsigned char *value)
{
    const char *const name = (const char *)key;
    const struct loop_entry *entry = loop_find(table, name, loop_hash(name));

    if (entry == NULL)
        return 0;
    memcpy(table->entries[entry - table->entries].value, value, VALUE_SIZE);
    return 1;
}

int toy_get_many(const struct loop_table *table, unsigned char *keys, int n, unsigned char *out)
{
    char (*const names)[BENCH_KEY_SIZE] = (char (*)[BENCH_KEY_SIZE])keys;
    unsigned char (*const values)[VALUE_SIZE] = (unsigned char (*)[VALUE_SIZE])out;
    int found = 0, i = 0;

    for (; i + BATCH <= n; i += BATCH)
        found += (int)loop_get_batch(table, names + i, values + i, BATCH);
    for (; i < n; i++)
        found += loop_get(table, names[i], values[i]);
    return found;
}
