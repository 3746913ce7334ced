/* SPDX-License-Identifier: Apache-2.0 */
/* Heap memory of the queue of asynchronous writes, charged to the store's limit: chunks that things
 * are carved out of, and that are reused or freed as a whole. */
#ifndef MS_STORE_ASYNC_CHUNK_H
#define MS_STORE_ASYNC_CHUNK_H

#include <memstore/memstore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ms_chunk {
    struct ms_chunk *next;
    uint32_t size; /* all of it, as charged */
    uint32_t used;
    char bytes[];
};

/* Charge bytes to the limit, making room for them as for an entry. False when there is none, or the
 * wait for it was too long. No lock held. */
bool ms_chunk_charge(memstore *store, uint64_t bytes);
/* Give the charge back. The queue is not locked. */
void ms_chunk_uncharge(memstore *store, uint64_t bytes);

/* A chunk of `size` bytes in all; NULL when there is no memory for it. No lock held. */
struct ms_chunk *ms_chunk_new(memstore *store, uint64_t size);
/* Free this chunk and those after it. The queue is not locked. */
void ms_chunk_free_all(memstore *store, struct ms_chunk *first);

/* `size` bytes at the end of what is used; NULL when there is no room. */
static inline void *ms_chunk_carve(struct ms_chunk *chunk, size_t size)
{
    char *carved = chunk->bytes + chunk->used;

    if (size > chunk->size - sizeof *chunk - chunk->used)
        return NULL;
    chunk->used += (uint32_t)size;
    return carved;
}

static inline void ms_chunk_push(struct ms_chunk **list, struct ms_chunk *chunk)
{
    chunk->next = *list;
    *list = chunk;
}

static inline struct ms_chunk *ms_chunk_pop(struct ms_chunk **list)
{
    struct ms_chunk *chunk = *list;

    if (chunk != NULL)
        *list = chunk->next;
    return chunk;
}

#endif
