/* SPDX-License-Identifier: Apache-2.0 */
/* The text forms of values: parsing, formatting, and saying what was expected. */
#include "config/schema.h"
#include "config/units.h"
#include "platform/atomic.h"
#include "platform/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool find_choice(const struct ms_setting_choice *choice, const char *name, uint64_t *value)
{
    while (choice->name != NULL && strcmp(choice->name, name) != 0)
        choice++;
    if (choice->name != NULL)
        *value = choice->value;
    return choice->name != NULL;
}

/* What readers of YAML 1.1 make of on and off, and programs write, is the same as these. */
static const char *parse_choice(const struct ms_setting_choice *choices, const char *text,
                                uint64_t *value)
{
    if (find_choice(choices, text, value) ||
        (strcasecmp(text, "true") == 0 && find_choice(choices, "on", value)) ||
        (strcasecmp(text, "false") == 0 && find_choice(choices, "off", value)))
        return NULL;
    return text[0] == '\0' ? "is empty" : "is not one of its values";
}

/* ---- Strings ---- */

/* The texts kept, each once: only ever added to, so that it needs no lock, also not across fork(). */
struct kept {
    struct kept *next;
    char text[];
};

static _Atomic(struct kept *) all_kept;

/* A text among those from `first` on and before `end`, or NULL. */
static struct kept *find_kept(struct kept *first, const struct kept *end, const char *text)
{
    while (first != end && strcmp(first->text, text) != 0)
        first = first->next;
    return first != end ? first : NULL;
}

uint64_t ms_schema_keep(const char *text)
{
    const size_t size = strlen(text) + 1;

    if (size == 1)
        return (uintptr_t)"";
    /* ORDER: acquire, pairs with the release below: the texts are written. */
    struct kept *first = ms_load_acquire(&all_kept);
    struct kept *same = find_kept(first, NULL, text);
    if (same != NULL)
        return (uintptr_t)same->text;
    struct kept *const added = ms_mem_alloc(sizeof *added + size);
    if (added == NULL)
        return 0;
    memcpy(added->text, text, size);
    added->next = first;
    while (!ms_cas_acq_rel(&all_kept, &first, added)) {
        /* Others have added some meanwhile, this one perhaps. */
        same = find_kept(first, added->next, text);
        if (same != NULL) {
            ms_mem_free(added);
            return (uintptr_t)same->text;
        }
        added->next = first;
    }
    return (uintptr_t)added->text;
}

static const char *parse_string(const struct ms_setting *setting, const char *text, uint64_t *value)
{
    size_t size = 0;
    bool flag;

    if (setting->flag_is_none &&
        (ms_units_parse_bool(text, &flag) == NULL || strcmp(text, "none") == 0))
        text = "";
    for (; text[size] != '\0'; size++) {
        if ((unsigned char)text[size] < ' ' || text[size] == 0x7f)
            return "holds a control character";
    }
    if (size > setting->max)
        return "is too long";
    *value = ms_schema_keep(text);
    return *value != 0 ? NULL : "finds no memory";
}

/* Parse by type alone; the range is checked by the caller. */
static const char *parse_typed(const struct ms_setting *setting, const char *text, uint64_t *value)
{
    const char *problem = NULL;
    int64_t duration = 0;
    bool flag = false;

    switch (setting->type) {
    case MS_SETTING_DURATION:
        problem = ms_units_parse_duration(text, &duration);
        *value = (uint64_t)duration;
        break;
    case MS_SETTING_SIZE:
        problem = ms_units_parse_size(text, value);
        break;
    case MS_SETTING_MEGABYTES:
        problem = ms_units_parse_integer(text, value);
        if (problem == NULL && __builtin_mul_overflow(*value, UINT64_C(1) << 20, value))
            problem = "is too large";
        break;
    case MS_SETTING_INTEGER:
    case MS_SETTING_POWER_OF_TWO:
        problem = ms_units_parse_integer(text, value);
        break;
    case MS_SETTING_RATIO:
        problem = ms_units_parse_ratio(text, value);
        break;
    case MS_SETTING_BOOL:
        problem = ms_units_parse_bool(text, &flag);
        *value = flag;
        break;
    case MS_SETTING_CHOICE:
        problem = parse_choice(setting->choices, text, value);
        break;
    case MS_SETTING_STRING:
        problem = parse_string(setting, text, value);
        break;
    }
    return problem;
}

const char *ms_schema_parse(const struct ms_setting *setting, const char *text, uint64_t *value,
                            char problem[static MS_SETTING_PROBLEM_SIZE])
{
    char bound[MS_SETTING_TEXT_SIZE];
    uint64_t parsed = 0;
    const char *const wrong = parse_typed(setting, text, &parsed);

    if (wrong != NULL)
        return wrong;
    if (setting->type == MS_SETTING_STRING) {
        *value = parsed;
        return NULL;
    }
    if (parsed < setting->min || (parsed > setting->max && setting->type != MS_SETTING_CHOICE)) {
        const bool below = parsed < setting->min;

        snprintf(problem, MS_SETTING_PROBLEM_SIZE, "is %s value allowed, %s",
                 below ? "below the smallest" : "above the largest",
                 ms_schema_format(setting, below ? setting->min : setting->max, bound));
        return problem;
    }
    if (setting->type == MS_SETTING_POWER_OF_TWO && (parsed & (parsed - 1)) != 0)
        return "is not a power of two";
    *value = parsed;
    return NULL;
}

static const char *format_choice(const struct ms_setting_choice *choice, uint64_t value)
{
    while (choice->name != NULL && choice->value != value)
        choice++;
    return choice->name;
}

const char *ms_schema_format(const struct ms_setting *setting, uint64_t value,
                             char buf[static MS_SETTING_TEXT_SIZE])
{
    switch (setting->type) {
    case MS_SETTING_DURATION:
        return ms_units_format_duration((int64_t)value, buf);
    case MS_SETTING_SIZE:
        return ms_units_format_size(value, buf);
    case MS_SETTING_RATIO:
        return ms_units_format_ratio(value, buf);
    case MS_SETTING_BOOL:
        return value != 0 ? "true" : "false";
    case MS_SETTING_CHOICE:
        return format_choice(setting->choices, value);
    case MS_SETTING_STRING:
        return ms_setting_text(value);
    case MS_SETTING_MEGABYTES:
        value >>= 20;
        break;
    case MS_SETTING_INTEGER:
    case MS_SETTING_POWER_OF_TWO:
        break;
    }
    snprintf(buf, MS_SETTING_TEXT_SIZE, "%" PRIu64, value);
    return buf;
}

static void list_choices(const struct ms_setting_choice *choice,
                         char buf[static MS_SETTING_EXPECTED_SIZE])
{
    size_t used = (size_t)snprintf(buf, MS_SETTING_EXPECTED_SIZE, "one of");

    for (; choice->name != NULL && used < MS_SETTING_EXPECTED_SIZE; choice++) {
        used += (size_t)snprintf(buf + used, MS_SETTING_EXPECTED_SIZE - used, " %s%s", choice->name,
                                 choice[1].name != NULL ? "," : "");
    }
}

const char *ms_schema_expected(const struct ms_setting *setting,
                               char buf[static MS_SETTING_EXPECTED_SIZE])
{
    const char *text = "";
    char min[MS_SETTING_TEXT_SIZE], max[MS_SETTING_TEXT_SIZE];

    switch (setting->type) {
    case MS_SETTING_DURATION:
        text = "a duration such as 250ms, 10s, 5m, 1.5h, 7d, 0 or a plain number of milliseconds";
        break;
    case MS_SETTING_SIZE:
        text = "a size such as 64MB (powers of 1000: kB, MB, GB, TB), 64MiB (of 1024: KiB, MiB, "
               "GiB, TiB) or plain bytes";
        break;
    case MS_SETTING_MEGABYTES:
        text = "a whole number of MB (of 2^20 bytes), without a unit";
        break;
    case MS_SETTING_RATIO:
        text = "a number from 0 to 1, with at most 6 digits after the point";
        break;
    case MS_SETTING_BOOL:
        text = "true, false, yes, no, on or off";
        break;
    case MS_SETTING_CHOICE:
        list_choices(setting->choices, buf);
        return buf;
    case MS_SETTING_STRING:
        snprintf(buf, MS_SETTING_EXPECTED_SIZE, "a text of at most %" PRIu64 " bytes",
                 setting->max);
        return buf;
    case MS_SETTING_INTEGER:
    case MS_SETTING_POWER_OF_TWO:
        snprintf(buf, MS_SETTING_EXPECTED_SIZE, "%s from %s to %s",
                 setting->type == MS_SETTING_INTEGER ? "a whole number" : "a power of two",
                 ms_schema_format(setting, setting->min, min),
                 ms_schema_format(setting, setting->max, max));
        return buf;
    }
    snprintf(buf, MS_SETTING_EXPECTED_SIZE, "%s", text);
    return buf;
}
