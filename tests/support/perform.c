/* SPDX-License-Identifier: Apache-2.0 */
#include "support/perform.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 10240

/* ---- Values ---- */

struct seal {
    uint64_t number;
    uint64_t key;
    uint64_t size;
};

static unsigned char filling(const struct seal *seal, size_t i)
{
    return (unsigned char)(seal->number * 31 + seal->key * 7 + i);
}

static size_t write_sealed(const struct perform_target *target, unsigned key, uint64_t number,
                           unsigned char *value)
{
    const size_t more = target->longest > sizeof(struct seal)
                            ? number * 2654435761u % (target->longest - sizeof(struct seal))
                            : 0;
    const struct seal seal = {number, key, sizeof seal + more};

    memcpy(value, &seal, sizeof seal);
    for (size_t i = sizeof seal; i < seal.size; i++)
        value[i] = filling(&seal, i);
    return seal.size;
}

static uint64_t read_sealed(unsigned key, const unsigned char *value, size_t size)
{
    struct seal seal;

    if (size < sizeof seal)
        return HISTORY_TORN;
    memcpy(&seal, value, sizeof seal);
    if (seal.key != key || seal.size != size || seal.number == 0)
        return HISTORY_TORN;
    for (size_t i = sizeof seal; i < size; i++) {
        if (value[i] != filling(&seal, i))
            return HISTORY_TORN;
    }
    return seal.number;
}

static size_t write_value(const struct perform_target *target, unsigned key, uint64_t number,
                          unsigned char *value)
{
    if (target->form == PERFORM_DECIMAL)
        return (size_t)sprintf((char *)value, "%" PRIu64, number);
    return write_sealed(target, key, number, value);
}

static uint64_t read_decimal(const unsigned char *value, size_t size)
{
    uint64_t number = 0;

    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9')
            return HISTORY_TORN;
        number = number * 10 + (value[i] - '0');
    }
    return size != 0 && size < 20 ? number : HISTORY_TORN;
}

static uint64_t read_value(const struct perform_target *target, unsigned key, const void *value,
                           size_t size)
{
    return target->form == PERFORM_DECIMAL ? read_decimal(value, size)
                                           : read_sealed(key, value, size);
}

/* ---- One key ---- */

/* A miss is an answer, not a refusal. */
static int answered(int status)
{
    return status == MEMSTORE_ERR_KEY_NOT_FOUND ? MEMSTORE_OK : status;
}

static void perform_get(const struct perform_target *target, struct history_op *op, unsigned key)
{
    struct history_part *part = &op->parts[key];
    const memstore_key *name = &target->keys[key];
    unsigned char value[VALUE_MAX];
    memstore_view view;
    size_t size = 0;
    int status;

    part->value = 0;
    part->version = 0;
    if (!op->by_view) {
        status = memstore_get(target->store, name->data, name->size, value, sizeof value, &size);
        if (status == MEMSTORE_OK)
            part->value = read_value(target, key, value, size);
    } else {
        status = memstore_get_view(target->store, name->data, name->size, &view);
        if (status == MEMSTORE_OK) {
            part->value = read_value(target, key, view.data, view.size);
            part->version = target->versions ? view.version : 0;
            memstore_view_release(&view);
        }
    }
    op->status = answered(status);
}

static void perform_has(const struct perform_target *target, struct history_op *op, unsigned key)
{
    const memstore_key *name = &target->keys[key];
    uint64_t count = 0;
    int status;

    if (op->by_scan) {
        status = memstore_count_by_pattern(target->store, name->data, name->size, &count);
    } else {
        status = memstore_has(target->store, name->data, name->size);
        count = status == MEMSTORE_OK;
    }
    op->parts[key].value = count;
    op->status = answered(status);
}

static int perform_increment(const struct perform_target *target, struct history_op *op,
                             unsigned key)
{
    int64_t sum = 0;
    const int status =
        memstore_increment(target->store, target->keys[key].data, target->keys[key].size, op->delta,
                           op->initial, op->parts[key].ttl, &sum);

    op->parts[key].value = (uint64_t)sum;
    return status;
}

static int perform_write(const struct perform_target *target, struct history_op *op, unsigned key)
{
    const struct history_part *part = &op->parts[key];
    const memstore_key *name = &target->keys[key];
    unsigned char value[VALUE_MAX];
    const size_t size = part->effect == HISTORY_STORES && op->kind != HISTORY_INCREMENT
                            ? write_value(target, key, part->value, value)
                            : 0;

    switch (op->kind) {
    case HISTORY_SET:
        return memstore_set(target->store, name->data, name->size, value, size, part->ttl);
    case HISTORY_ADD:
        return memstore_add(target->store, name->data, name->size, value, size, part->ttl);
    case HISTORY_REPLACE:
        return memstore_replace(target->store, name->data, name->size, value, size, part->ttl);
    case HISTORY_COMPARE_AND_SET:
        return memstore_compare_and_set(target->store, name->data, name->size, value, size,
                                        part->ttl, part->version);
    case HISTORY_DELETE:
        return memstore_delete(target->store, name->data, name->size);
    case HISTORY_RETIME:
        return memstore_update_ttl(target->store, name->data, name->size, part->ttl);
    default:
        return perform_increment(target, op, key);
    }
}

/* ---- Several keys ---- */

/* The keys of an operation, and which part each is. */
static size_t collect_keys(const struct perform_target *target, const struct history_op *op,
                           memstore_key keys[HISTORY_KEYS], unsigned numbers[HISTORY_KEYS])
{
    size_t count = 0;

    for (unsigned k = 0; k < HISTORY_KEYS; k++) {
        if ((op->keys >> k & 1) != 0) {
            keys[count] = target->keys[k];
            numbers[count++] = k;
        }
    }
    return count;
}

static int perform_get_many(const struct perform_target *target, struct history_op *op)
{
    memstore_key keys[HISTORY_KEYS];
    unsigned numbers[HISTORY_KEYS];
    memstore_view views[HISTORY_KEYS];
    const size_t count = collect_keys(target, op, keys, numbers);
    size_t found;
    const int status = memstore_get_many(target->store, keys, count, views, &found);

    for (size_t i = 0; status == MEMSTORE_OK && i < count; i++) {
        struct history_part *part = &op->parts[numbers[i]];

        part->value = views[i].data != NULL
                          ? read_value(target, numbers[i], views[i].data, views[i].size)
                          : 0;
        part->version = target->versions ? views[i].version : 0;
    }
    if (status == MEMSTORE_OK)
        memstore_view_release_many(views, count);
    return status;
}

static int perform_has_many(const struct perform_target *target, struct history_op *op)
{
    memstore_key keys[HISTORY_KEYS];
    unsigned numbers[HISTORY_KEYS];
    unsigned char there[HISTORY_KEYS];
    const size_t count = collect_keys(target, op, keys, numbers);
    size_t found;
    const int status = memstore_has_many(target->store, keys, count, there, &found);

    for (size_t i = 0; status == MEMSTORE_OK && i < count; i++)
        op->parts[numbers[i]].value = there[i];
    return status;
}

static int perform_set_many(const struct perform_target *target, struct history_op *op)
{
    memstore_key keys[HISTORY_KEYS];
    unsigned numbers[HISTORY_KEYS];
    unsigned char values[HISTORY_KEYS][VALUE_MAX];
    memstore_entry entries[HISTORY_KEYS];
    const size_t count = collect_keys(target, op, keys, numbers);

    for (size_t i = 0; i < count; i++) {
        const struct history_part *part = &op->parts[numbers[i]];
        const size_t size = write_value(target, numbers[i], part->value, values[i]);

        entries[i] = (memstore_entry){keys[i], values[i], size, part->ttl};
    }
    return memstore_set_many(target->store, entries, count);
}

static int add_to_batch(const struct perform_target *target, memstore_batch *batch,
                        const struct history_part *part, unsigned key, unsigned char *value)
{
    const memstore_key *name = &target->keys[key];
    int status = MEMSTORE_OK;

    if (part->expect == HISTORY_ABSENT)
        status = memstore_batch_expect_absent(batch, name->data, name->size);
    else if (part->expect == HISTORY_VERSION)
        status = memstore_batch_expect_version(batch, name->data, name->size, part->version);
    if (status != MEMSTORE_OK)
        return status;
    if (part->effect == HISTORY_STORES)
        return memstore_batch_set(batch, name->data, name->size, value,
                                  write_value(target, key, part->value, value), part->ttl);
    if (part->effect == HISTORY_RETIMES)
        return memstore_batch_update_ttl(batch, name->data, name->size, part->ttl);
    return part->effect == HISTORY_REMOVES ? memstore_batch_delete(batch, name->data, name->size)
                                           : MEMSTORE_OK;
}

static int perform_commit(const struct perform_target *target, struct history_op *op)
{
    unsigned char values[HISTORY_KEYS][VALUE_MAX];
    memstore_batch *batch = memstore_batch_new(target->store);
    int status = batch != NULL ? MEMSTORE_OK : MEMSTORE_ERR_MEMORY_EXHAUSTED;

    for (unsigned k = 0; k < HISTORY_KEYS && status == MEMSTORE_OK; k++) {
        if ((op->keys >> k & 1) != 0)
            status = add_to_batch(target, batch, &op->parts[k], k, values[k]);
    }
    if (status == MEMSTORE_OK)
        status = memstore_batch_commit(batch);
    memstore_batch_free(batch);
    return status;
}

static int perform_delete_many(const struct perform_target *target, struct history_op *op)
{
    memstore_key keys[HISTORY_KEYS];
    unsigned numbers[HISTORY_KEYS];
    const size_t count = collect_keys(target, op, keys, numbers);

    return memstore_delete_many(target->store, keys, count, &op->deleted);
}

void perform(const struct perform_target *target, struct history_op *op)
{
    const unsigned key = op->keys != 0 ? (unsigned)__builtin_ctz(op->keys) : 0;

    switch (op->kind) {
    case HISTORY_GET:
        perform_get(target, op, key);
        break;
    case HISTORY_HAS:
        perform_has(target, op, key);
        break;
    case HISTORY_GET_MANY:
        op->status = perform_get_many(target, op);
        break;
    case HISTORY_HAS_MANY:
        op->status = perform_has_many(target, op);
        break;
    case HISTORY_SET_MANY:
        op->status = perform_set_many(target, op);
        break;
    case HISTORY_DELETE_MANY:
        op->status = perform_delete_many(target, op);
        break;
    case HISTORY_COMMIT:
        op->status = perform_commit(target, op);
        break;
    case HISTORY_CLOCK:
        target->set_clock(op->clock);
        op->status = MEMSTORE_OK;
        break;
    default:
        op->status = perform_write(target, op, key);
    }
}
