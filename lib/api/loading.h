/* SPDX-License-Identifier: Apache-2.0 */
/* What the functions that are given a loader share. */
#ifndef MS_API_LOADING_H
#define MS_API_LOADING_H

#include "api/arguments.h"

/* Read a loader: OK, INVALID_ARGUMENT or UNSUPPORTED. `needs_load`: a loader of many keys will not
 * do. */
int ms_read_loader(const memstore_loader *theirs, bool needs_load, memstore_loader *ours);

#endif
