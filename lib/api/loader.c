/* SPDX-License-Identifier: Apache-2.0 */
#include "api/loading.h"
#include "store/load/lease.h"
#include "store/load/load.h"
#include "store/load/many.h"
#include "store/store.h"
#include "util/abi.h"

/* A lease is a flight to us. */
static memstore_lease *lease_of(struct ms_flight *flight)
{
    return (memstore_lease *)flight;
}

static struct ms_flight *flight_of(const memstore_lease *lease)
{
    return (struct ms_flight *)lease;
}

int ms_read_loader(const memstore_loader *theirs, bool needs_load, memstore_loader *ours)
{
    if (theirs == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    const int status = ms_abi_load(ours, sizeof *ours, sizeof *ours, theirs);
    if (status != MEMSTORE_OK)
        return status;
    if (ours->wait_ms < 0 || (ours->load == NULL && (needs_load || ours->load_many == NULL)))
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    return MEMSTORE_OK;
}

int memstore_get_or_load(memstore *store, const void *key, size_t key_size,
                         const memstore_loader *loader, memstore_view *out)
{
    memstore_loader ours;

    if (out == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    *out = (memstore_view){0};
    if (store == NULL || !ms_is_key(key, key_size))
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    const int status = ms_read_loader(loader, true, &ours);
    return status == MEMSTORE_OK ? ms_load_get(store, &(memstore_key){key, key_size}, &ours, out)
                                 : status;
}

int memstore_get_or_load_many(memstore *store, const memstore_key *keys, size_t n,
                              const memstore_loader *loader, memstore_view *out, size_t *found)
{
    struct ms_load_outcome outcome = {.statuses = NULL};
    memstore_loader ours;
    size_t unwanted;

    if (found == NULL)
        found = &unwanted;
    *found = 0;
    if (n != 0 && out == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (n != 0)
        memset(out, 0, n * sizeof *out);
    if (store == NULL || !ms_are_keys(keys, n))
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    const int status = ms_read_loader(loader, false, &ours);
    return status == MEMSTORE_OK ? ms_load_get_many(store, keys, n, &ours, out, found, &outcome)
                                 : status;
}

int memstore_lease_acquire(memstore *store, const void *key, size_t key_size, int64_t timeout_ms,
                           memstore_lease **lease, memstore_view *out)
{
    struct ms_flight *flight = NULL;

    if (lease != NULL)
        *lease = NULL;
    if (out != NULL)
        *out = (memstore_view){0};
    if (store == NULL || !ms_is_key(key, key_size) || lease == NULL || out == NULL ||
        timeout_ms < 0)
        return ms_refuse_argument(store);
    const int status =
        ms_lease_acquire(store, &(memstore_key){key, key_size}, timeout_ms, &flight, out);
    *lease = lease_of(flight);
    return status;
}

int memstore_lease_is_current(const memstore_lease *lease)
{
    return lease != NULL && ms_flight_stands(flight_of(lease));
}

int memstore_lease_fill(memstore_lease *lease, const void *value, size_t value_size, int64_t ttl_ms,
                        memstore_view *out)
{
    if (out != NULL)
        *out = (memstore_view){0};
    if (lease == NULL)
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    if (!ms_is_bytes(value, value_size)) {
        ms_lease_fail(flight_of(lease), MEMSTORE_LOAD_FAILED, NULL);
        return MEMSTORE_ERR_INVALID_ARGUMENT;
    }
    const memstore_load_value loaded = {.value = value, .value_size = value_size, .ttl_ms = ttl_ms};
    return ms_lease_fill(flight_of(lease), &loaded, out);
}

int memstore_lease_fail(memstore_lease *lease, int result, memstore_view *out)
{
    if (out != NULL)
        *out = (memstore_view){0};
    return lease != NULL ? ms_lease_fail(flight_of(lease), result, out)
                         : MEMSTORE_ERR_INVALID_ARGUMENT;
}
