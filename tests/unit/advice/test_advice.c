/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from findings that no store comes by soon. */
#include "advice/advice.h"
#include "advice/report.h"
#include "platform/mem.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Of a full store that follows keys, and deserves no advice. */
static struct ms_findings findings_of(const char *eviction)
{
    return (struct ms_findings){
        .settings = {.eviction = eviction,
                     .hash_function = "xxh3",
                     .limit = 64000000,
                     .configured_limit = 64000000,
                     .memory_limit = 64000000,
                     .largest_limit = 256000000,
                     .sample_ratio = 0.01},
        .counts = {.evictions = 1000},
        .pattern = {.is_tracked = true,
                    .ratio = 0.01,
                    .sampled = 2000,
                    .sampled_reads = 2000,
                    .references = 200000},
    };
}

static const struct ms_advice *find(const struct ms_advice_list *list, enum ms_advice_kind kind)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == kind)
            return &list->items[i];
    }
    return NULL;
}

Test(advice, there_is_none_without_reason)
{
    const struct ms_findings findings = findings_of("lru");
    struct ms_advice_list list;

    ms_advise(&findings, &list);
    cr_assert_eq(list.count, 0);
}

/* Settings take digits, six of them behind the point. */
static void assert_is_ratio(const char *text, double value)
{
    cr_assert_eq(strspn(text, "0123456789."), strlen(text), "%s", text);
    cr_assert_leq(strlen(text), strlen("0.000001"), "%s", text);
    cr_assert_float_eq(strtod(text, NULL), value, 1e-9, "%s", text);
}

Test(advice, shares_of_keys_are_told_as_settings_take_them)
{
    static const struct {
        double now, less;
    } cases[] = {{1, 0.25}, {0.0003, 0.000075}, {0.00001, 0.000003}, {0.000002, 0.000001}};
    struct ms_findings findings = findings_of("lru");
    struct ms_advice_list list;

    findings.pattern.missed = findings.pattern.sampled / 9;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        findings.settings.sample_ratio = cases[i].now;
        ms_advise(&findings, &list);
        const struct ms_advice *advice = find(&list, MS_ADVICE_TRACKING);
        cr_assert_not_null(advice);
        assert_is_ratio(advice->current, cases[i].now);
        assert_is_ratio(advice->suggested, cases[i].less);
    }
    findings.settings.sample_ratio = 0.000001;
    ms_advise(&findings, &list);
    cr_assert_null(find(&list, MS_ADVICE_TRACKING), "there is no lower one");
}

Test(advice, a_larger_share_of_keys_is_larger_than_the_one_there_is)
{
    struct ms_findings findings = findings_of("lru");
    struct ms_advice_list list;

    findings.settings.sample_ratio = findings.pattern.ratio = 0.00001;
    findings.pattern.sampled_reads = 20;
    findings.pattern.references = 2000000;
    ms_advise(&findings, &list);
    assert_is_ratio(find(&list, MS_ADVICE_TRACKING)->suggested, 0.00095);
    /* So few are followed for want of memory. */
    findings.settings.sample_ratio = 0.5;
    ms_advise(&findings, &list);
    cr_assert_null(find(&list, MS_ADVICE_TRACKING));
}

Test(advice, a_largest_size_is_not_advised_where_it_is_set)
{
    struct ms_findings findings = findings_of("lru");
    struct ms_advice_list list;

    for (uint64_t i = 0; i < 1000; i++)
        ms_spread_add(&findings.entries.sizes, 100, 1, 100);
    for (uint64_t i = 0; i < 50; i++)
        ms_spread_add(&findings.entries.sizes, 20000, 1, 20000);
    ms_spread_add(&findings.pattern.hit_sizes, 100, 1000, 0);
    ms_advise(&findings, &list);
    const struct ms_advice *advice = find(&list, MS_ADVICE_LARGE_ENTRIES);
    cr_assert_not_null(advice);
    const uint64_t size = strtoull(advice->suggested, NULL, 10);
    findings.settings.max_entry_size = size + 1;
    ms_advise(&findings, &list);
    cr_assert_not_null(find(&list, MS_ADVICE_LARGE_ENTRIES));
    for (uint64_t less = 0; less < 2; less++) {
        findings.settings.max_entry_size = size - less;
        ms_advise(&findings, &list);
        cr_assert_null(find(&list, MS_ADVICE_LARGE_ENTRIES));
    }
}

Test(advice, adaptive_is_advised_for_keys_read_once_where_its_simulation_is_no_worse)
{
    struct ms_findings findings = findings_of("fifo");
    struct ms_advice_list list;

    findings.pattern.read_once = 0.7;
    for (int i = 0; i < MS_MINI_POLICIES; i++)
        findings.pattern.policies[i] = 0.5;
    ms_advise(&findings, &list);
    cr_assert_not_null(find(&list, MS_ADVICE_READ_ONCE));
    findings.pattern.policies[MS_MINI_FIFO] = 0.499;
    ms_advise(&findings, &list);
    cr_assert_null(find(&list, MS_ADVICE_READ_ONCE));
    /* Nor where another policy is advised. */
    findings.pattern.policies[MS_MINI_FIFO] = 0.5;
    findings.pattern.policies[MS_MINI_S3FIFO] = 0.3;
    ms_advise(&findings, &list);
    cr_assert_str_eq(find(&list, MS_ADVICE_EVICTION)->suggested, "s3fifo");
    cr_assert_null(find(&list, MS_ADVICE_READ_ONCE));
}

/* The key with the largest count may be one of those that hardly get any. */
Test(advice, hot_keys_are_all_that_are_sure_to_get_much)
{
    struct ms_findings findings = findings_of("lru");
    struct ms_advice_list list;

    findings.pattern.hot_noted = 1000;
    findings.pattern.hot_count = 3;
    findings.pattern.hot[0] = (struct ms_hot_key){.count = 64, .error = 15};
    findings.pattern.hot[1] = (struct ms_hot_key){.count = 63};
    findings.pattern.hot[2] = (struct ms_hot_key){.count = 40};
    ms_advise(&findings, &list);
    const struct ms_advice *advice = find(&list, MS_ADVICE_HOT_KEYS);
    cr_assert_not_null(advice);
    cr_assert(strstr(advice->evidence, "1 key gets 6.3 % of reads or up to 0.0 points more") !=
                  NULL,
              "%s", advice->evidence);
    findings.pattern.hot[0].count = 80;
    ms_advise(&findings, &list);
    advice = find(&list, MS_ADVICE_HOT_KEYS);
    cr_assert(strstr(advice->evidence, "2 keys get 12.8 % of reads or up to 1.5 points more") !=
                  NULL,
              "%s", advice->evidence);
}

Test(advice, all_simulated_policies_are_in_the_text)
{
    struct ms_findings findings = findings_of("lru");
    struct ms_advice_list list;
    struct ms_text text = {0};

    findings.pattern.policies[MS_MINI_LRU] = 0.125;
    findings.pattern.policies[MS_MINI_FIFO] = 0.25;
    findings.pattern.policies[MS_MINI_S3FIFO] = 0.375;
    findings.pattern.policies[MS_MINI_ADAPTIVE] = 0.5;
    ms_advise(&findings, &list);
    ms_report_text(&findings, &list, &text);
    cr_assert(strstr(text.data, "lru 12.5 %, fifo 25.0 %, s3fifo 37.5 %, adaptive 50.0 %; the "
                                "store ") != NULL,
              "%s", text.data);
    ms_mem_free(text.data);
}
