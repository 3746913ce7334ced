/* SPDX-License-Identifier: Apache-2.0 */
#include "store/watch/metrics_keys.h"

#include "platform/mem.h"
#include "store/store.h"
#include "util/label.h"

#include <string.h>

/* ---- Labels ---- */

static bool is_control(const char *text, size_t bytes)
{
    const unsigned char *const p = (const unsigned char *)text;

    return bytes == 1 ? p[0] < ' ' || p[0] == 0x7f : bytes == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

/* One character, or one byte that is none, in the form of labels, where nothing is to control a terminal.
 * Returns the bytes of `text` it was. */
static size_t put_character(char **out, const char *text, size_t size)
{
    if (*text == '\n' || !is_control(text, ms_utf8_character(text, size)))
        return ms_label_put_character(out, text, size);
    ms_label_put_byte(out, *text);
    return 1;
}

/* Of a key that was cut, the bytes before a character that was cut with it. */
static size_t whole_characters(const char *key)
{
    /* The least first bytes of characters that have more bytes than are left. */
    static const unsigned char least[] = {[1] = 0xc0, [2] = 0xe0, [3] = 0xf0};

    for (size_t left = 1; left < sizeof least; left++) {
        const unsigned char byte = (unsigned char)key[MS_HOT_KEY_BYTES - left];

        if ((byte & 0xc0) != 0x80)
            return byte >= least[left] ? MS_HOT_KEY_BYTES - left : MS_HOT_KEY_BYTES;
    }
    return MS_HOT_KEY_BYTES;
}

static void put_label(char *out, const struct ms_hot_key *key)
{
    const bool is_cut = key->key_size > MS_HOT_KEY_BYTES;
    const size_t size = is_cut ? whole_characters(key->key) : key->key_size;

    for (size_t at = 0; at < size;)
        at += put_character(&out, key->key + at, size - at);
    memcpy(out, is_cut ? "\u2026" : "", is_cut ? 4 : 1);
}

/* ---- Keys ---- */

/* Of fewer reads than this nothing is told. */
#define ENOUGH_NOTED 100

/* Two series may not have the same labels: keys that were cut may look alike, and one with the
 * letters \xff in it is like one with that byte. */
static uint32_t add(struct ms_metrics_key *out, uint32_t count, const struct ms_hot_key *key,
                    uint64_t noted)
{
    uint32_t at = 0;

    put_label(out[count].label, key);
    while (strcmp(out[at].label, out[count].label) != 0)
        at++;
    out[at].share = (double)key->count / (double)noted + (at < count ? out[at].share : 0);
    return at < count ? count : count + 1;
}

uint32_t ms_metrics_hot_keys(memstore *store, struct ms_metrics_key out[MS_METRICS_KEYS])
{
    struct ms_hot_key keys[MS_HOT_KEYS];
    uint64_t noted;
    const uint32_t found = ms_track_hot_keys(store, keys, &noted);
    uint32_t count = 0;

    for (uint32_t i = 0; noted >= ENOUGH_NOTED && i < found && count < MS_METRICS_KEYS; i++) {
        /* A key whose count may be mostly that of others came in place of one that was not hot. */
        if (keys[i].error <= keys[i].count / 2)
            count = add(out, count, &keys[i], noted);
    }
    if (store->settings.secure_wipe)
        ms_mem_wipe(keys, sizeof keys);
    return count;
}
