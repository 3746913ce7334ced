/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/entry.h"

char *ms_entry_write_head(struct ms_entry *entry, const struct ms_entry_shape *shape, bool is_long,
                          int64_t time_base, unsigned kept, unsigned access)
{
    char *next = (char *)(entry + 1);

    ms_store_relaxed(&entry->expiry, ms_expiry_encode(shape->expiry, time_base));
    ms_store_relaxed(&entry->mark, (unsigned char)((access & MS_MARK_ACCESS) | MS_MARK_PENDING));

    if (is_long) {
        struct ms_entry_long *long_form = (struct ms_entry_long *)next;
        const uint64_t far = shape->expiry == MS_NEVER ? 0 : (uint64_t)shape->expiry;

        entry->key_size = 0;
        entry->value_size = MS_ENTRY_LONG;
        *long_form = (struct ms_entry_long){
            .key_size = shape->key_size,
            .value_size = shape->value_size,
            .version = {(uint32_t)shape->version, (uint32_t)(shape->version >> 32)},
            .far_expiry = {(uint32_t)far, (uint32_t)(far >> 32)},
        };
        next += sizeof *long_form;
    } else {
        entry->key_size = (uint8_t)shape->key_size;
        entry->value_size = (uint16_t)shape->value_size;
    }
    if ((kept & MS_KEPT_CREATED) != 0) {
        memcpy(next, &shape->created, sizeof shape->created);
        next += sizeof shape->created;
    }
    if ((kept & MS_KEPT_TTL) != 0) {
        ms_store_relaxed(ms_entry_ttl_at(entry, kept), ms_entry_ttl_encode(shape->ttl));
        next += MS_KEPT_TTL;
    }
    return next;
}
