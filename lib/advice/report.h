/* SPDX-License-Identifier: Apache-2.0 */
/* Findings and advice, written down: as text for people, and as JSON (docs/advice.md). */
#ifndef MS_ADVICE_REPORT_H
#define MS_ADVICE_REPORT_H

#include "advice/advice.h"
#include "util/text.h"

void ms_report_text(const struct ms_findings *findings, const struct ms_advice_list *list,
                    struct ms_text *out);
void ms_report_json(const struct ms_findings *findings, const struct ms_advice_list *list,
                    struct ms_text *out);

#endif
