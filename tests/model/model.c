/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text keys in a few folders, so that patterns have something to tell apart; bytes, NUL among
 * them; long ones. */
static void make_key(struct model_entry *entry, unsigned number)
{
    static const char *const folders[] = {"acct/", "acct/eu/", "blk/", "tx-", ""};
    const unsigned kind = number % 8;

    if (kind < 5) {
        entry->key_size =
            (size_t)snprintf((char *)entry->key, MODEL_MAX_KEY, "%s%u", folders[kind], number);
        return;
    }
    entry->key_size = kind == 5 ? 4 : kind == 6 ? 40 : 250 + number;
    memset(entry->key, kind == 5 ? 0 : 'k', entry->key_size);
    entry->key[0] = (unsigned char)number;
    entry->key[entry->key_size - 1] = (unsigned char)(number * 37);
}

void model_init(struct model *model, const struct model_rules *rules, int64_t now, int64_t unix_now)
{
    memset(model, 0, sizeof *model);
    model->rules = *rules;
    if (model->rules.precision == 0)
        model->rules.precision = 1;
    if (model->rules.batch_size == 0)
        model->rules.batch_size = MODEL_QUEUE;
    if (model->rules.batch_timeout == 0)
        model->rules.batch_timeout = 10;
    model->now = now;
    model->unix_now = unix_now;
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        make_key(&model->entries[i], i);
}

void model_fini(struct model *model)
{
    while (model->queued > 0)
        free(model->queue[--model->queued].value);
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        free(model->entries[i].value);
}

bool model_is_live(const struct model_entry *entry)
{
    return entry->state == MODEL_LIVE;
}

void model_advance(struct model *model, int64_t now, int64_t unix_now)
{
    model->now = now;
    model->unix_now = unix_now;
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        struct model_entry *entry = &model->entries[i];

        if (!model_is_live(entry) || entry->expiry > now)
            continue;
        entry->state = MODEL_RAN_OUT;
        entry->throughout = false;
        model->counts.expirations++;
    }
}

/* Round up to the precision, then bound by the age limit of an entry written at `written`. */
static int64_t bounded(const struct model *model, int64_t expiry, int64_t written)
{
    const int64_t step = model->rules.precision;
    const int64_t oldest =
        model->rules.life_window == 0 ? MODEL_NEVER : written + model->rules.life_window;

    if (expiry != MODEL_NEVER)
        expiry = (expiry + step - 1) / step * step;
    return expiry < oldest ? expiry : oldest;
}

static int check_ttl(const struct model *model, int64_t ttl_ms, int64_t written, int64_t *expiry)
{
    const struct model_rules *rules = &model->rules;

    if (ttl_ms == MEMSTORE_TTL_DEFAULT)
        ttl_ms = rules->default_ttl;
    if (ttl_ms == MEMSTORE_TTL_NONE)
        ttl_ms = rules->max_ttl;
    if (ttl_ms < 0 || ttl_ms > INT64_MAX - model->now || (ttl_ms > 0 && ttl_ms < rules->min_ttl) ||
        (rules->max_ttl > 0 && ttl_ms > rules->max_ttl))
        return MEMSTORE_ERR_INVALID_TTL;
    *expiry = bounded(model, ttl_ms == 0 ? MODEL_NEVER : model->now + ttl_ms, written);
    return MEMSTORE_OK;
}

static int check_size(const struct model *model, size_t key_size, size_t value_size)
{
    const size_t most = model->rules.max_entry_size;

    return most > 0 && key_size + value_size > most ? MEMSTORE_ERR_ENTRY_TOO_LARGE : MEMSTORE_OK;
}

int model_admit(const struct model *model, size_t key_size, size_t value_size, int64_t ttl_ms,
                int64_t *expiry)
{
    const int status = check_size(model, key_size, value_size);

    return status != MEMSTORE_OK ? status : check_ttl(model, ttl_ms, model->now, expiry);
}

int model_admit_until(const struct model *model, size_t key_size, size_t value_size,
                      int64_t unix_ms, int64_t *expiry)
{
    const int status = check_size(model, key_size, value_size);

    if (status != MEMSTORE_OK)
        return status;
    if (unix_ms <= model->unix_now)
        return MEMSTORE_ERR_TTL_EXPIRED;
    return check_ttl(model, unix_ms - model->unix_now, model->now, expiry);
}

int model_admit_ttl(const struct model *model, const struct model_entry *entry, int64_t ttl_ms,
                    int64_t *expiry)
{
    return check_ttl(model, ttl_ms, entry->written, expiry);
}

void model_remove(struct model_entry *entry)
{
    entry->state = MODEL_ABSENT;
    entry->throughout = false;
}

static void forget_version(struct model_entry *entry)
{
    if (entry->version != 0)
        entry->older[entry->older_count++ % MODEL_VERSIONS] = entry->version;
    entry->version = 0;
}

static unsigned char *copy_of(const void *value, size_t size)
{
    unsigned char *copy = malloc(size + 1);

    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, value, size);
    return copy;
}

void model_write(struct model *model, struct model_entry *entry, const void *value, size_t size,
                 int64_t expiry)
{
    unsigned char *copy = copy_of(value, size);

    model->counts.sets++;
    model->counts.updates += model_is_live(entry);
    free(entry->value);
    forget_version(entry);
    entry->value = copy;
    entry->size = size;
    entry->state = MODEL_LIVE;
    entry->sometime = true;
    entry->written = model->now;
    model_retime(model, entry, expiry);
}

/* Without a precision and a bound of age, what is left now is the TTL. */
static int64_t ttl_of(const struct model *model, int64_t expiry, int64_t since)
{
    return model->rules.slides && expiry != MODEL_NEVER ? expiry - since : 0;
}

void model_retime(const struct model *model, struct model_entry *entry, int64_t expiry)
{
    entry->expiry = expiry;
    entry->ttl = ttl_of(model, expiry, model->now);
}

void model_read(const struct model *model, struct model_entry *entry)
{
    const int64_t renewed = model->now + entry->ttl;

    if (entry->ttl != 0 && renewed > entry->expiry && renewed - entry->expiry >= entry->ttl / 16)
        entry->expiry = renewed;
}

bool model_queue(struct model *model, struct model_entry *entry, const void *value, size_t size,
                 int64_t expiry)
{
    model->queue[model->queued++] =
        (struct model_queued){entry, copy_of(value, size), size, expiry, model->now};
    return model->queued == model->rules.batch_size;
}

bool model_is_queued(const struct model *model, const struct model_entry *entry)
{
    for (unsigned i = 0; i < model->queued; i++) {
        if (model->queue[i].entry == entry)
            return true;
    }
    return false;
}

bool model_is_due(const struct model *model)
{
    return model->queued > 0 && model->now - model->queue[0].written >= model->rules.batch_timeout;
}

/* Of several writes of a key only the last is stored. */
static bool is_superseded(const struct model *model, unsigned number)
{
    for (unsigned i = number + 1; i < model->queued; i++) {
        if (model->queue[i].entry == model->queue[number].entry)
            return true;
    }
    return false;
}

void model_apply(struct model *model)
{
    for (unsigned i = 0; i < model->queued; i++) {
        const struct model_queued *queued = &model->queue[i];

        if (!is_superseded(model, i)) {
            model_write(model, queued->entry, queued->value, queued->size, queued->expiry);
            queued->entry->written = queued->written;
            queued->entry->ttl = ttl_of(model, queued->expiry, queued->written);
        }
        free(queued->value);
    }
    model->queued = 0;
    /* Some may have run out while they were queued. */
    model_advance(model, model->now, model->unix_now);
}

void model_clear(struct model *model)
{
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        model->cleared_ran_out += model->entries[i].state == MODEL_RAN_OUT;
        model_remove(&model->entries[i]);
    }
}

unsigned model_size(const struct model *model)
{
    unsigned size = 0;

    for (unsigned i = 0; i < MODEL_KEYS; i++)
        size += model_is_live(&model->entries[i]);
    return size;
}

uint64_t model_keys_and_values(const struct model *model)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        if (model_is_live(&model->entries[i]))
            bytes += model->entries[i].key_size + model->entries[i].size;
    }
    return bytes;
}

bool model_note_version(struct model_entry *entry, uint64_t version)
{
    if (version == 0 || (entry->version != 0 && entry->version != version))
        return false;
    for (unsigned i = 0; i < MODEL_VERSIONS && i < entry->older_count; i++) {
        if (entry->older[i] == version)
            return false;
    }
    entry->version = version;
    return true;
}

bool model_number(const struct model_entry *entry, int64_t *number)
{
    char text[24], again[24];

    if (entry->size == 0 || entry->size > 20)
        return false;
    memcpy(text, entry->value, entry->size);
    text[entry->size] = '\0';
    *number = strtoll(text, NULL, 10);
    snprintf(again, sizeof again, "%lld", (long long)*number);
    return strcmp(text, again) == 0;
}

/* One bracket, from behind `[`: whether it takes `byte`, and where it ends. */
static bool class_takes(const char **at, unsigned char byte)
{
    const char *p = *at;
    bool inverted = *p == '^', taken = false;

    for (p += inverted; *p != ']';) {
        const unsigned char low = (unsigned char)*(*p == '\\' ? ++p : p);
        unsigned char high = low;

        p++;
        if (p[0] == '-' && p[1] != ']') {
            p++;
            high = (unsigned char)*(*p == '\\' ? ++p : p);
            p++;
        }
        taken |= low <= byte && byte <= high;
    }
    *at = p + 1;
    return taken != inverted;
}

static bool match(const char *p, const char *p_end, const unsigned char *k,
                  const unsigned char *k_end)
{
    for (; p < p_end; k++) {
        if (*p == '*')
            return match(p + 1, p_end, k, k_end) || (k < k_end && match(p, p_end, k + 1, k_end));
        if (k == k_end)
            return false;
        if (*p == '?') {
            p++;
        } else if (*p == '[') {
            p++;
            if (!class_takes(&p, *k))
                return false;
        } else {
            p += *p == '\\';
            if ((unsigned char)*p++ != *k)
                return false;
        }
    }
    return k == k_end;
}

bool model_matches(const char *pattern, size_t pattern_size, const unsigned char *key,
                   size_t key_size)
{
    return pattern_size == 0 || match(pattern, pattern + pattern_size, key, key + key_size);
}

struct model_entry *model_find(struct model *model, const void *key, size_t key_size)
{
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        struct model_entry *entry = &model->entries[i];

        if (entry->key_size == key_size && memcmp(entry->key, key, key_size) == 0)
            return entry;
    }
    return NULL;
}
