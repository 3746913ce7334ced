/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a store. */
#ifndef MS_STORE_LIFETIME_H
#define MS_STORE_LIFETIME_H

#include "config/settings.h"
#include "log/log.h"

#include <memstore/memstore.h>

/* On failure `*why` says why; on success it is NULL. */
int ms_store_open(const struct ms_settings *settings, const struct ms_logger *logger,
                  memstore **out, const char **why);
int ms_store_close(memstore *store);
void ms_store_destroy(memstore *store);
/* Give back all memory of a store that nobody is in. */
void ms_store_free(memstore *store);

#endif
