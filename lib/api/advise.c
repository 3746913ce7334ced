/* SPDX-License-Identifier: Apache-2.0 */
#include "advice/report.h"
#include "api/arguments.h"
#include "api/write_out.h"
#include "platform/mem.h"
#include "store/calls.h"
#include "store/store.h"
#include "store/track/advise.h"

#include <memstore/advice.h>

_Static_assert((int)MEMSTORE_ADVICE_MEMORY_PRESSURE == (int)MS_ADVICE_MEMORY_PRESSURE &&
                   (int)MEMSTORE_ADVICE_HOT_KEYS == (int)MS_ADVICE_HOT_KEYS &&
                   (int)MEMSTORE_ADVICE_WARNING == (int)MS_ADVICE_WARNING,
               "advice has one numbering");
_Static_assert(MEMSTORE_CURVE_POINTS == MS_FINDINGS_POINTS, "as many points as are promised");

/* What is known and what follows from it; of tens of kilobytes. */
struct inquiry {
    struct ms_findings findings;
    struct ms_advice_list list;
};

/* For ms_mem_free(). */
static int inquire(memstore *store, struct inquiry **out)
{
    int status = ms_store_enter(store);

    *out = NULL;
    if (status != MEMSTORE_OK)
        return status;
    struct inquiry *inquiry = ms_mem_alloc(sizeof *inquiry);
    status = inquiry != NULL ? ms_advise_gather(store, &inquiry->findings)
                             : MEMSTORE_ERR_MEMORY_EXHAUSTED;
    ms_store_leave(store);
    if (status != MEMSTORE_OK) {
        ms_mem_free(inquiry);
        return status;
    }
    ms_advise(&inquiry->findings, &inquiry->list);
    *out = inquiry;
    return MEMSTORE_OK;
}

static memstore_advice public_form(const struct ms_advice *advice)
{
    return (memstore_advice){
        .struct_size = sizeof(memstore_advice),
        .kind = (int32_t)advice->kind,
        .severity = (int32_t)advice->severity,
        .name = ms_advice_name(advice->kind),
        .what = advice->what,
        .evidence = advice->evidence,
        .setting = advice->setting,
        .current = advice->current,
        .suggested = advice->suggested,
        .expected = advice->expected,
    };
}

static void tell_each(const struct ms_advice_list *list, memstore_advice_fn fn, void *context)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const memstore_advice advice = public_form(&list->items[i]);

        if (fn(&advice, context) != 0)
            break;
    }
}

int memstore_advise(memstore *store, memstore_advice_fn fn, void *context)
{
    struct ms_calling *calling;
    struct inquiry *inquiry;

    if (store == NULL || fn == NULL)
        return ms_refuse_argument(store);
    int status = inquire(store, &inquiry);
    if (status != MEMSTORE_OK)
        return status;
    status = ms_store_begin_callback(store, &calling);
    if (status == MEMSTORE_OK) {
        tell_each(&inquiry->list, fn, context);
        ms_store_end_callback(calling);
    }
    ms_mem_free_wiped(inquiry, store->settings.secure_wipe);
    return status;
}

static int write_report(memstore *store, memstore_write_fn fn, void *context,
                        void (*report)(const struct ms_findings *, const struct ms_advice_list *,
                                       struct ms_text *))
{
    struct ms_text text = {0};
    struct inquiry *inquiry;

    if (store == NULL || fn == NULL)
        return ms_refuse_argument(store);
    int status = inquire(store, &inquiry);
    if (status != MEMSTORE_OK)
        return status;
    text.wipes = store->settings.secure_wipe;
    report(&inquiry->findings, &inquiry->list, &text);
    ms_mem_free_wiped(inquiry, text.wipes);
    status = text.failed ? MEMSTORE_ERR_MEMORY_EXHAUSTED : ms_write_out(store, &text, fn, context);
    ms_mem_free_wiped(text.data, text.wipes);
    return status;
}

int memstore_advise_text(memstore *store, memstore_write_fn fn, void *context)
{
    return write_report(store, fn, context, ms_report_text);
}

int memstore_advise_json(memstore *store, memstore_write_fn fn, void *context)
{
    return write_report(store, fn, context, ms_report_json);
}

static int copy_curve(const struct ms_findings_pattern *pattern, memstore_miss_ratio_point *points,
                      size_t cap, size_t *n)
{
    if (!pattern->is_tracked)
        return MEMSTORE_ERR_UNSUPPORTED;
    *n = pattern->point_count;
    if (cap < *n)
        return MEMSTORE_ERR_BUFFER_TOO_SMALL;
    for (size_t i = 0; i < *n; i++) {
        const struct ms_point *point = &pattern->points[i];

        points[i] = (memstore_miss_ratio_point){point->bytes, point->entries, point->miss_ratio};
    }
    return MEMSTORE_OK;
}

int memstore_get_miss_ratio_curve(memstore *store, memstore_miss_ratio_point *points, size_t cap,
                                  size_t *n)
{
    struct inquiry *inquiry;

    if (n == NULL)
        return ms_refuse_argument(store);
    *n = 0;
    if (store == NULL || (points == NULL && cap != 0))
        return ms_refuse_argument(store);
    int status = inquire(store, &inquiry);
    if (status != MEMSTORE_OK)
        return status;
    status = copy_curve(&inquiry->findings.pattern, points, cap, n);
    ms_mem_free_wiped(inquiry, store->settings.secure_wipe);
    return status;
}
