/* SPDX-License-Identifier: Apache-2.0 */
/* Loading many keys ahead: group by group through load/many.c, at the rate that is asked for. */
#include "store/snapshot/warm.h"

#include "store/load/load.h"
#include "store/load/many.h"
#include "store/read/many.h"
#include "store/read/view.h"
#include "store/snapshot/progress.h"

#include <unistd.h>

/* Keys that are loaded by one call of the loader. */
#define GROUP 128
/* Where the rate is bounded, groups are small enough for about as many a second. */
#define GROUPS_A_SECOND 10
/* Longest pause between two reports. */
#define PAUSE_MS 10
/* What is late by more than this is not made up for: the database would be asked for it all at once. */
#define MADE_UP_FOR_US (1000000 / GROUPS_A_SECOND)

struct warming {
    memstore *store;
    const memstore_loader *loader;
    struct ms_reporting reporting;
    int64_t turn_us; /* when the next group may be asked for, by ms_clock_exact_ms() */
    int status;      /* of the first group that failed */
    /* The group at hand: what is not there. */
    memstore_key keys[GROUP];
    int statuses[GROUP]; /* that each came to */
    size_t count;
};

/* ---- Groups ---- */

/* Keep the keys that are not there; returns how many are. */
static int pass_over_present(struct warming *warming, size_t *present)
{
    unsigned char there[GROUP];
    size_t kept = 0;
    const int status =
        ms_store_has_many(warming->store, warming->keys, warming->count, there, present);

    if (status != MEMSTORE_OK)
        return status;
    for (size_t i = 0; i < warming->count; i++) {
        if (!there[i]) {
            warming->statuses[kept] = warming->statuses[i];
            warming->keys[kept++] = warming->keys[i];
        }
    }
    warming->count = kept;
    return MEMSTORE_OK;
}

/* Count a group of which something failed. */
static int count_failed(struct warming *warming)
{
    memstore_progress *progress = &warming->reporting.progress;
    size_t stored = 0;
    const int status = pass_over_present(warming, &stored);

    progress->stored += stored;
    for (size_t i = 0; i < warming->count && status == MEMSTORE_OK; i++) {
        if (warming->statuses[i] == MEMSTORE_ERR_KEY_NOT_FOUND)
            progress->absent++;
        else
            progress->failed++;
    }
    return status;
}

static int load_group(struct warming *warming)
{
    memstore_progress *progress = &warming->reporting.progress;
    memstore_view views[GROUP] = {0};
    struct ms_load_outcome outcome = {.statuses = warming->statuses};
    size_t found = 0;
    const int status = ms_load_get_many(warming->store, warming->keys, warming->count,
                                        warming->loader, views, &found, &outcome);

    for (size_t i = 0; i < warming->count; i++)
        ms_view_give_back(&views[i]);
    if (ms_store_is_closed(warming->store))
        return MEMSTORE_ERR_CACHE_CLOSED;
    if (warming->status == MEMSTORE_OK)
        warming->status = status != MEMSTORE_OK ? status : outcome.refusal;
    if (status != MEMSTORE_OK)
        return count_failed(warming);
    progress->stored += found - outcome.refused;
    progress->failed += outcome.refused;
    progress->absent += warming->count - found;
    return MEMSTORE_OK;
}

/* ---- The rate ---- */

/* Keys of the next group, at most. */
static size_t group_size(const struct warming *warming)
{
    const struct ms_settings *settings = &warming->store->settings;
    const uint32_t rate = ms_setting_of(settings, load_warm_rate);
    size_t size = GROUP;

    if (rate != 0 && rate / GROUPS_A_SECOND < size)
        size = rate / GROUPS_A_SECOND + 1;
    /* Each key that is loaded is a view for a moment. */
    if (settings->max_concurrent_readers != 0 && settings->max_concurrent_readers < size)
        size = settings->max_concurrent_readers;
    return size;
}

/* Wait until more keys may be asked for. */
static int await_turn(struct warming *warming)
{
    for (;;) {
        const uint32_t rate = ms_setting_of(&warming->store->settings, load_warm_rate);
        const int64_t left_us = rate != 0 ? warming->turn_us - ms_clock_exact_ms() * 1000 : 0;

        if (ms_store_is_closed(warming->store))
            return MEMSTORE_ERR_CACHE_CLOSED;
        if (left_us <= 0)
            return MEMSTORE_OK;
        usleep((useconds_t)(left_us < PAUSE_MS * 1000 ? left_us : PAUSE_MS * 1000));
        const int status = ms_report(&warming->reporting);
        if (status != MEMSTORE_OK)
            return status;
    }
}

/* A group is asked for: the next may be when the rate, as it is now, has made up for it. */
static void take_turn(struct warming *warming)
{
    const uint32_t rate = ms_setting_of(&warming->store->settings, load_warm_rate);
    const int64_t least_us = ms_clock_exact_ms() * 1000 - MADE_UP_FOR_US;
    const int64_t from_us = warming->turn_us > least_us ? warming->turn_us : least_us;

    warming->turn_us = from_us + (rate != 0 ? (int64_t)(warming->count * 1000000 / rate) : 0);
}

/* ---- All of them ---- */

static int warm_group(struct warming *warming, const memstore_key *keys, size_t n)
{
    size_t present = 0;

    memcpy(warming->keys, keys, n * sizeof *keys);
    warming->count = n;
    int status = pass_over_present(warming, &present);
    warming->reporting.progress.present += present;
    if (status == MEMSTORE_OK && warming->count != 0) {
        status = await_turn(warming);
        take_turn(warming);
        if (status == MEMSTORE_OK)
            status = load_group(warming);
    }
    if (status != MEMSTORE_OK)
        return status;
    warming->reporting.progress.done += n;
    return ms_report(&warming->reporting);
}

int ms_store_warm(memstore *store, const memstore_key *keys, size_t n,
                  const memstore_loader *loader, memstore_progress_fn fn, void *context)
{
    struct warming warming = {
        .store = store,
        .loader = loader,
        .reporting = ms_reporting_to(fn, context),
        .turn_us = ms_clock_exact_ms() * 1000,
    };
    int status = ms_report_phase(&warming.reporting, MEMSTORE_PHASE_WARMING, n);

    for (size_t done = 0; status == MEMSTORE_OK && done < n;) {
        const size_t most = group_size(&warming);
        const size_t size = n - done < most ? n - done : most;

        status = warm_group(&warming, keys + done, size);
        done += size;
    }
    return status == MEMSTORE_OK ? warming.status : status;
}
