/* SPDX-License-Identifier: Apache-2.0 */
/* The checker itself: histories that can be explained, and such that cannot, each for one reason. */
#include "support/linear.h"
#include "support/support.h"

static struct history history;

static void begin(unsigned threads)
{
    memset(&history, 0, sizeof history);
    history.threads = threads;
    history.clock = 1000;
}

static struct history_op *add(unsigned thread, enum history_kind kind, uint64_t from, uint64_t to)
{
    struct history_op *op = &history.ops[thread][history.counts[thread]++];

    *op = (struct history_op){.kind = kind, .begin = from, .end = to, .clock = history.clock};
    return op;
}

static void part(struct history_op *op, unsigned key, struct history_part part)
{
    op->keys |= 1u << key;
    op->parts[key] = part;
}

static void set(unsigned thread, unsigned key, uint64_t value, uint64_t from, uint64_t to)
{
    part(add(thread, HISTORY_SET, from, to), key,
         (struct history_part){.effect = HISTORY_STORES, .value = value});
}

static void set_for(unsigned thread, unsigned key, uint64_t value, int64_t ttl, uint64_t from,
                    uint64_t to)
{
    part(add(thread, HISTORY_SET, from, to), key,
         (struct history_part){.effect = HISTORY_STORES, .value = value, .ttl = ttl});
}

static void get(unsigned thread, unsigned key, uint64_t value, uint64_t from, uint64_t to)
{
    part(add(thread, HISTORY_GET, from, to), key, (struct history_part){.value = value});
}

static void delete (unsigned thread, unsigned key, int status, uint64_t from, uint64_t to)
{
    struct history_op *op = add(thread, HISTORY_DELETE, from, to);

    part(op, key, (struct history_part){.expect = HISTORY_PRESENT, .effect = HISTORY_REMOVES});
    op->status = status;
}

static void set_both(unsigned thread, uint64_t value, uint64_t from, uint64_t to)
{
    struct history_op *op = add(thread, HISTORY_SET_MANY, from, to);

    part(op, 0, (struct history_part){.effect = HISTORY_STORES, .value = value});
    part(op, 1, (struct history_part){.effect = HISTORY_STORES, .value = value + 1});
}

static void get_both(unsigned thread, uint64_t first, uint64_t second, uint64_t from, uint64_t to)
{
    struct history_op *op = add(thread, HISTORY_GET_MANY, from, to);

    part(op, 0, (struct history_part){.value = first});
    part(op, 1, (struct history_part){.value = second});
}

static void check(enum linear_answer wanted)
{
    history_order_by_time(&history);
    CHECK(linear_check(&history) == wanted);
}

static void accepts_what_is_in_order(void)
{
    begin(2);
    set(0, 0, 5, 1, 2);
    get(1, 0, 5, 3, 4);
    delete (1, 0, MEMSTORE_OK, 5, 6);
    get(0, 0, 0, 7, 8);
    check(LINEAR_EXPLAINED);
}

static void accepts_either_value_during_a_write(void)
{
    for (uint64_t seen = 0; seen <= 5; seen += 5) {
        begin(2);
        set(0, 0, 5, 1, 10);
        get(1, 0, seen, 2, 3);
        get(1, 0, 5, 4, 5);
        check(LINEAR_EXPLAINED);
    }
}

static void rejects_a_stale_read(void)
{
    begin(2);
    set(0, 0, 5, 1, 2);
    set(0, 0, 6, 3, 4);
    get(1, 0, 5, 5, 6);
    check(LINEAR_IMPOSSIBLE);
}

static void rejects_a_value_that_comes_and_goes(void)
{
    begin(3);
    set(0, 0, 5, 1, 20);
    get(1, 0, 5, 2, 3);
    get(2, 0, 0, 4, 5);
    check(LINEAR_IMPOSSIBLE);
}

static void rejects_two_orders_of_two_writes(void)
{
    begin(4);
    set(0, 0, 5, 1, 20);
    set(1, 0, 6, 1, 20);
    get(2, 0, 5, 2, 3);
    get(2, 0, 6, 4, 5);
    get(3, 0, 6, 2, 3);
    get(3, 0, 5, 4, 5);
    check(LINEAR_IMPOSSIBLE);
}

static void rejects_a_value_nobody_wrote(void)
{
    begin(1);
    get(0, 0, HISTORY_TORN, 1, 2);
    check(LINEAR_IMPOSSIBLE);
}

static void rejects_two_deletes_of_one_entry(void)
{
    begin(2);
    history.start[0] = 4;
    delete (0, 0, MEMSTORE_OK, 1, 4);
    delete (1, 0, MEMSTORE_OK, 2, 5);
    check(LINEAR_IMPOSSIBLE);
}

static void rejects_a_lost_increment(void)
{
    begin(2);
    history.start[0] = 10;
    for (unsigned t = 0; t < 2; t++) {
        struct history_op *op = add(t, HISTORY_INCREMENT, 1, 4);
        op->delta = 1;
        part(op, 0, (struct history_part){.effect = HISTORY_STORES, .value = 11});
    }
    check(LINEAR_IMPOSSIBLE);
    history.ops[1][0].parts[0].value = 12;
    check(LINEAR_EXPLAINED);
}

static void compare_and_set(unsigned thread, uint64_t value, uint64_t version, int status)
{
    struct history_op *op = add(thread, HISTORY_COMPARE_AND_SET, 11, 14);

    part(op, 0,
         (struct history_part){.expect = HISTORY_VERSION,
                               .effect = HISTORY_STORES,
                               .value = value,
                               .version = version});
    op->status = status;
}

static void rejects_two_writes_on_one_version(void)
{
    begin(2);
    history.start[0] = 4;
    get(0, 0, 4, 1, 2);
    history.ops[0][0].parts[0].version = 77;
    compare_and_set(0, 5, 77, MEMSTORE_OK);
    compare_and_set(1, 6, 77, MEMSTORE_ERR_VERSION_MISMATCH);
    check(LINEAR_EXPLAINED);
    history.ops[1][0].status = MEMSTORE_OK;
    check(LINEAR_IMPOSSIBLE);
}

static void rejects_a_version_of_two_values(void)
{
    begin(1);
    history.start[0] = 4;
    get(0, 0, 4, 1, 2);
    set(0, 0, 5, 3, 4);
    get(0, 0, 5, 5, 6);
    check(LINEAR_EXPLAINED);
    history.ops[0][0].parts[0].version = 77;
    history.ops[0][2].parts[0].version = 77;
    check(LINEAR_IMPOSSIBLE);
}

static void rejects_a_mix_of_a_batch(void)
{
    begin(2);
    history.snapshots = true;
    set_both(0, 10, 1, 9);
    get_both(1, 10, 0, 2, 3);
    check(LINEAR_IMPOSSIBLE);
    history.snapshots = false;
    check(LINEAR_IMPOSSIBLE);
    history.ops[1][0].parts[1].value = 11;
    check(LINEAR_EXPLAINED);
}

static void rejects_a_batch_missed_after_it_was_seen(void)
{
    begin(2);
    set_both(0, 10, 1, 9);
    get(1, 0, 10, 2, 3);
    get(1, 1, 0, 4, 5);
    check(LINEAR_IMPOSSIBLE);
}

static void tells_snapshots_from_reads_at_several_instants(void)
{
    begin(2);
    set(0, 0, 5, 2, 3);
    set(0, 1, 6, 4, 5);
    get_both(1, 0, 6, 1, 9);
    check(LINEAR_EXPLAINED);
    history.snapshots = true;
    check(LINEAR_IMPOSSIBLE);
}

static void rejects_what_is_served_after_its_expiry(void)
{
    begin(2);
    history.timed = true;
    set_for(0, 0, 5, 500, 1, 2);
    add(1, HISTORY_CLOCK, 3, 4)->clock = 1500;
    get(0, 0, 5, 5, 6);
    history.ops[0][1].clock = 1500;
    check(LINEAR_IMPOSSIBLE);
    history.ops[1][0].clock = 1499;
    check(LINEAR_EXPLAINED);
}

static void rejects_what_is_missed_before_its_expiry(void)
{
    begin(2);
    history.timed = true;
    set_for(0, 0, 5, 501, 1, 2);
    add(1, HISTORY_CLOCK, 3, 4)->clock = 1500;
    get(0, 0, 0, 5, 6);
    check(LINEAR_IMPOSSIBLE);
}

/* A batch that lets key 0 live on and has a condition on key 1, then a look at key 0 after what was
 * its time. */
static struct history_op *retime_in_batch(enum history_expect expect, int status, uint64_t found)
{
    begin(2);
    history.timed = true;
    history.start[1] = 4;
    set_for(0, 0, 5, 500, 1, 2);
    struct history_op *const batch = add(0, HISTORY_COMMIT, 3, 4);
    part(batch, 0, (struct history_part){.effect = HISTORY_RETIMES, .ttl = 2000});
    part(batch, 1, (struct history_part){.expect = expect});
    batch->status = status;
    add(1, HISTORY_CLOCK, 5, 6)->clock = 1500;
    get(0, 0, found, 7, 8);
    history.ops[0][2].clock = 1500;
    return batch;
}

static void rejects_a_batch_that_did_not_change_a_time(void)
{
    retime_in_batch(HISTORY_ANYTHING, MEMSTORE_OK, 5);
    check(LINEAR_EXPLAINED);
    retime_in_batch(HISTORY_ANYTHING, MEMSTORE_OK, 0);
    check(LINEAR_IMPOSSIBLE);
}

static void rejects_a_refused_batch_that_changed_a_time(void)
{
    retime_in_batch(HISTORY_ABSENT, MEMSTORE_ERR_KEY_EXISTS, 0);
    check(LINEAR_EXPLAINED);
    retime_in_batch(HISTORY_ABSENT, MEMSTORE_ERR_KEY_EXISTS, 5);
    check(LINEAR_IMPOSSIBLE);
}

static void rejects_a_change_of_time_of_nothing(void)
{
    retime_in_batch(HISTORY_ANYTHING, MEMSTORE_ERR_KEY_NOT_FOUND, 0);
    check(LINEAR_IMPOSSIBLE);
    struct history_op *batch = retime_in_batch(HISTORY_ANYTHING, MEMSTORE_OK, 0);
    history.ops[0][0].parts[0] = (struct history_part){.effect = HISTORY_REMOVES};
    check(LINEAR_IMPOSSIBLE);
    batch->status = MEMSTORE_ERR_KEY_NOT_FOUND;
    check(LINEAR_EXPLAINED);
}

static void rejects_a_change_of_time_told_before_a_condition(void)
{
    struct history_op *batch = retime_in_batch(HISTORY_ABSENT, MEMSTORE_ERR_KEY_NOT_FOUND, 0);
    history.ops[0][0].parts[0] = (struct history_part){.effect = HISTORY_REMOVES};
    check(LINEAR_IMPOSSIBLE);
    batch->status = MEMSTORE_ERR_KEY_EXISTS;
    check(LINEAR_EXPLAINED);
}

static void lets_entries_vanish_once_only_where_that_is_allowed(void)
{
    begin(1);
    history.start[0] = 4;
    get(0, 0, 0, 1, 2);
    check(LINEAR_IMPOSSIBLE);
    history.evicts = true;
    check(LINEAR_EXPLAINED);
    get(0, 0, 4, 3, 4);
    check(LINEAR_IMPOSSIBLE);
}

static void lets_a_batch_that_writes_nothing_pass_between_reads_of_many(void)
{
    begin(2);
    history.start[0] = 4;
    get_both(0, 4, 6, 1, 10);
    set(1, 0, 5, 2, 3);
    struct history_op *const batch = add(1, HISTORY_COMMIT, 4, 5);
    part(batch, 0, (struct history_part){.expect = HISTORY_PRESENT});
    part(batch, 1, (struct history_part){.expect = HISTORY_ABSENT});
    set(1, 1, 6, 6, 7);
    check(LINEAR_EXPLAINED);
    batch->parts[1].effect = HISTORY_REMOVES;
    batch->parts[1].expect = HISTORY_ANYTHING;
    check(LINEAR_IMPOSSIBLE);
}

static const struct test_case cases[] = {
    {"accepts what is in order", accepts_what_is_in_order},
    {"accepts either value during a write", accepts_either_value_during_a_write},
    {"rejects a stale read", rejects_a_stale_read},
    {"rejects a value that comes and goes", rejects_a_value_that_comes_and_goes},
    {"rejects two orders of two writes", rejects_two_orders_of_two_writes},
    {"rejects a value nobody wrote", rejects_a_value_nobody_wrote},
    {"rejects two deletes of one entry", rejects_two_deletes_of_one_entry},
    {"rejects a lost increment", rejects_a_lost_increment},
    {"rejects two writes on one version", rejects_two_writes_on_one_version},
    {"rejects a version of two values", rejects_a_version_of_two_values},
    {"rejects a mix of a batch", rejects_a_mix_of_a_batch},
    {"rejects a batch missed after it was seen", rejects_a_batch_missed_after_it_was_seen},
    {"tells snapshots from reads at several instants",
     tells_snapshots_from_reads_at_several_instants},
    {"lets a batch that writes nothing pass between reads of many",
     lets_a_batch_that_writes_nothing_pass_between_reads_of_many},
    {"rejects what is served after its expiry", rejects_what_is_served_after_its_expiry},
    {"rejects what is missed before its expiry", rejects_what_is_missed_before_its_expiry},
    {"rejects a batch that did not change a time", rejects_a_batch_that_did_not_change_a_time},
    {"rejects a refused batch that changed a time", rejects_a_refused_batch_that_changed_a_time},
    {"rejects a change of time of nothing", rejects_a_change_of_time_of_nothing},
    {"rejects a change of time told before a condition",
     rejects_a_change_of_time_told_before_a_condition},
    {"lets entries vanish once, only where that is allowed",
     lets_entries_vanish_once_only_where_that_is_allowed},
};

int main(int argc, char **argv)
{
    return test_run_cases("linear_checker", cases, TEST_COUNT_OF(cases), argc > 1 ? argv[1] : NULL);
}
