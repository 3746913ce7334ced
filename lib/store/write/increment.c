/* SPDX-License-Identifier: Apache-2.0 */
/* Counters kept as decimal numbers in values. The sum is computed without a lock and written on
 * the condition that the entry is still the one it was computed from. */
#include "store/write/increment.h"

#include "store/lookup.h"
#include "store/write/slide.h"
#include "store/write/ttl.h"
#include "store/write/write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DECIMAL_MAX 20 /* "-9223372036854775808" */

static bool parse_decimal(const char *text, size_t size, int64_t *number)
{
    char copy[DECIMAL_MAX + 1];
    char *end;

    if (size == 0 || size > DECIMAL_MAX || (text[0] != '-' && (text[0] < '0' || text[0] > '9')))
        return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    errno = 0;
    *number = strtoll(copy, &end, 10);
    return errno == 0 && end == copy + size && (size > 1 || copy[0] != '-');
}

/* Read the counter as it is: the write that changes it, but for the value. */
static int read_counter(memstore *store, struct ms_write *write, uint64_t hash, int64_t *number)
{
    struct ms_found found;
    int status = MEMSTORE_OK;

    ms_rcu_read_lock();
    if (ms_lookup_live(store, write->key.data, write->key.size, hash, &found)) {
        write->mode = MS_WRITE_IF_UNCHANGED;
        write->instance = ms_found_instance(store, &found);
        write->seen = (struct ms_life){ms_found_expiry(&found), ms_found_ttl(store, &found)};
        write->life = ms_slide_life(store, &found, &write->seen);
        if (!parse_decimal(found.parts.value, found.parts.value_size, number))
            status = MEMSTORE_ERR_NOT_A_NUMBER;
    }
    ms_rcu_read_unlock();
    return status;
}

static int increment_once(memstore *store, struct ms_write *write, uint64_t hash, int64_t delta,
                          int64_t *sum, struct ms_write_outcome *outcome)
{
    char text[DECIMAL_MAX + 1];
    int64_t number = *sum;
    int status = read_counter(store, write, hash, &number);

    if (status == MEMSTORE_OK && __builtin_add_overflow(number, delta, sum))
        status = MEMSTORE_ERR_NOT_A_NUMBER;
    if (status != MEMSTORE_OK)
        return status;
    write->value = text;
    write->value_size = (size_t)snprintf(text, sizeof text, "%" PRId64, *sum);
    status = ms_store_check_size(store, write->key.size, write->value_size);
    return status == MEMSTORE_OK ? ms_store_try_write(store, write, hash, outcome) : status;
}

int ms_store_increment(memstore *store, const void *key, size_t key_size, int64_t delta,
                       int64_t initial, const struct ms_life *life, int64_t *result)
{
    struct ms_write_outcome outcome;
    const uint64_t hash = ms_store_hash(store, key, key_size);
    int64_t sum;
    int status;

    do {
        struct ms_write write = {.key = {key, key_size}, .life = *life, .mode = MS_WRITE_IF_SAME};
        sum = initial;
        status = increment_once(store, &write, hash, delta, &sum, &outcome);
    } while (status == MS_WRITE_AGAIN);

    ms_store_count_write(store, status, &outcome);
    if (status == MEMSTORE_OK)
        *result = sum;
    return status;
}
