/* SPDX-License-Identifier: Apache-2.0 */
/* Changing settings of an open store. */
#ifndef MS_STORE_RECONFIGURE_H
#define MS_STORE_RECONFIGURE_H

#include "store/space/resize.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ms_settings;

/* A member of struct ms_settings that changes. */
struct ms_setting_change {
    size_t offset;
    size_t size;
    uint64_t value;
};

/* Between the two nobody else changes settings; `now` are those in force. False when the caller's bound
 * on waits was over first. */
bool ms_store_begin_reconfiguration(memstore *store, struct ms_settings *now);
/* Put changes into force: `next` are the settings with them. OK, or nothing is changed and `why`
 * is the end of a sentence about the setting whose offset is in `*refused`. */
int ms_store_reconfigure(memstore *store, const struct ms_settings *next,
                         const struct ms_setting_change *changes, size_t count, size_t *refused,
                         char why[static MS_WHY_SIZE]);
void ms_store_end_reconfiguration(memstore *store);
/* Longest wait until something that has expired is swept: the tightest of what is configured; 0 =
 * no bound. */
int64_t ms_store_sweep_slack(const struct ms_settings *settings);

#endif
