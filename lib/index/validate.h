/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MS_INDEX_VALIDATE_H
#define MS_INDEX_VALIDATE_H

#include "index/index.h"
#include "platform/validate.h"

#if MS_VALIDATES
/* Check every slot of every shard. No batch is being published. */
const char *ms_index_validate(const struct ms_index *index);
#endif

#endif
