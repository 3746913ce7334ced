/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MS_SEGMENT_VALIDATE_H
#define MS_SEGMENT_VALIDATE_H

#include "platform/validate.h"
#include "segment/arena.h"

#if MS_VALIDATES
/* Check pages and blocks; *charged becomes the bytes that they are charged with. */
const char *ms_pages_validate(const struct ms_pages *pages, uint64_t *charged);
/* Check every segment, list and open slot, and the charge, of which `others` bytes are for what is
 * not the arena's. Reservations may be in flight. */
const char *ms_arena_validate(struct ms_arena *arena, uint64_t others);
#endif

#endif
