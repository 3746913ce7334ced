/* SPDX-License-Identifier: Apache-2.0 */
#include "stories/snapshots.h"

#include "support/clock.h"
#include "support/criterion.h"
#include "support/folder.h"

#include <memstore/snapshot.h>

void stop_clock_and_make_folder(void)
{
    test_clock_start();
    test_folder();
}

int keep_last(const memstore_progress *progress, void *context)
{
    *(memstore_progress *)context = *progress;
    return 0;
}

memstore *reopen(memstore *store, memstore *other, memstore_progress *last)
{
    memstore_progress unwanted;

    assert_ok(memstore_save(store, test_path("snapshot"), NULL, NULL));
    memstore_destroy(store);
    assert_ok(
        memstore_load(other, test_path("snapshot"), keep_last, last != NULL ? last : &unwanted));
    return other;
}

void set_numbered(memstore *store, const char *prefix, unsigned count)
{
    char key[64];

    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%s/%u", prefix, i);
        assert_ok(test_set(store, key, key, 0));
    }
}

int watch(const memstore_progress *progress, void *context)
{
    struct watching *watching = context;

    watching->went_back |=
        progress->phase == watching->last.phase && progress->done < watching->last.done;
    watching->last = *progress;
    watching->calls++;
    return watching->stop_at != 0 && progress->phase == watching->stop_phase &&
           progress->done >= watching->stop_at;
}
