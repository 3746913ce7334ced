/* SPDX-License-Identifier: Apache-2.0 */
/* What is said in the log about settings, which the store does not know by name. */
#ifndef MS_API_TELL_H
#define MS_API_TELL_H

#include "config/schema.h"
#include "store/store.h"

/* A store was opened: with what is not as the defaults say. */
void ms_tell_opened(memstore *store);
void ms_tell_reconfigured(memstore *store, const struct ms_setting *setting, uint64_t before,
                          uint64_t now);
void ms_tell_reconfigure_refused(memstore *store, int status, const char *why);

#endif
