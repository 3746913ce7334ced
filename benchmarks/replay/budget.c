/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/budget.h"

#include "replay/units.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_share(const char *text, size_t size, struct budget *budget)
{
    char *end;

    if (strspn(text, "0123456789.") != size - 1)
        return false;
    budget->kind = BUDGET_SHARE;
    budget->share = strtod(text, &end) / 100.0;
    return *end == '%' && budget->share > 0.0 && budget->share <= 100.0;
}

static bool parse_entries(const char *text, size_t size, struct budget *budget)
{
    char digits[BUDGET_TEXT];

    memcpy(digits, text, size);
    digits[size - 1] = '\0';
    budget->kind = BUDGET_ENTRIES;
    return units_parse_count(digits, &budget->count) && budget->count > 0 &&
           budget->count < UINT64_C(1) << 40;
}

static bool parse_one(const char *text, struct budget *budget)
{
    size_t size = strlen(text);

    if (size == 0 || size >= sizeof budget->text)
        return false;
    memcpy(budget->text, text, size + 1);
    if (text[size - 1] == '%')
        return parse_share(text, size, budget);
    if (text[size - 1] == 'e')
        return parse_entries(text, size, budget);
    budget->kind = BUDGET_BYTES;
    return units_parse_size(text, &budget->count) && budget->count > 0;
}

int budget_parse_list(const char *text, struct budget out[BUDGET_MAX], char *error,
                      size_t error_cap)
{
    char *copy = strdup(text), *rest = copy, *part;
    int count = 0;

    while (copy && (part = strsep(&rest, ",")) != NULL) {
        if (count == BUDGET_MAX) {
            snprintf(error, error_cap, "more than %d budgets", BUDGET_MAX);
            count = -1;
            break;
        }
        if (!parse_one(part, &out[count])) {
            snprintf(error, error_cap, "\"%s\" is no budget such as 5%%, 64MB, 64MiB or 1000e",
                     part);
            count = -1;
            break;
        }
        count++;
    }
    if (!copy) {
        snprintf(error, error_cap, "no memory");
        count = -1;
    }
    free(copy);
    return count;
}

uint64_t budget_bytes(const struct budget *budget, const struct workload *workload,
                      uint32_t overhead, bool share_has_overhead)
{
    double mean = (double)workload->footprint_bytes / (double)workload->distinct_keys;
    double whole = (double)workload->footprint_bytes;

    switch (budget->kind) {
    case BUDGET_SHARE:
        if (share_has_overhead)
            whole += (double)workload->distinct_keys * overhead;
        return (uint64_t)(budget->share * whole);
    case BUDGET_ENTRIES:
        return (uint64_t)((double)budget->count * (mean + overhead));
    case BUDGET_BYTES:
        break;
    }
    return budget->count;
}
