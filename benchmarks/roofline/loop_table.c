/* SPDX-License-Identifier: Apache-2.0 */
#include "roofline/loop_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 * 1024 * 1024 };

static void *map(size_t size, bool huge_pages)
{
    size_t room = size + HUGE_PAGE;
    char *base = mmap(NULL, room, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t skip;

    if (base == MAP_FAILED) {
        fputs("bench_roofline: no memory for the loop's table\n", stderr);
        exit(1);
    }
    skip = (HUGE_PAGE - (uintptr_t)base % HUGE_PAGE) % HUGE_PAGE;
    if (skip)
        munmap(base, skip);
    if (room - skip - size)
        munmap(base + skip + size, room - skip - size);
    if (madvise(base + skip, size, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0)
        perror("bench_roofline: the system does not let pages be chosen");
    return base + skip;
}

static size_t round_up(size_t size)
{
    return (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static void insert(struct loop_table *table, struct loop_entry *entry)
{
    uint64_t hash = loop_hash(entry->key);
    uint64_t slot = loop_tag(hash) << 48 | (uint64_t)(uintptr_t)entry;

    for (uint64_t index = hash & table->mask;; index = (index + 1) & table->mask) {
        for (unsigned i = 0; i < LOOP_SLOTS; i++) {
            if (table->buckets[index].slots[i] == 0) {
                table->buckets[index].slots[i] = slot;
                return;
            }
        }
    }
}

struct loop_table loop_table_create(uint64_t entries, bool huge_pages)
{
    struct loop_table table = {0};
    uint64_t buckets = 1;

    while (buckets * (LOOP_SLOTS / 2) < entries)
        buckets *= 2;
    table.mask = buckets - 1;
    table.mapped_buckets = round_up(buckets * sizeof *table.buckets);
    table.mapped_entries = round_up(entries * sizeof *table.entries);
    table.buckets = map(table.mapped_buckets, huge_pages);
    table.entries = map(table.mapped_entries, huge_pages);
    for (uint64_t id = 0; id < entries; id++) {
        struct loop_entry *entry = &table.entries[id];

        entry->id = id;
        bench_key_format(entry->key, id);
        stream_value(id, entry->value);
        insert(&table, entry);
    }
    return table;
}

void loop_table_destroy(struct loop_table *table)
{
    munmap(table->buckets, table->mapped_buckets);
    munmap(table->entries, table->mapped_entries);
}
