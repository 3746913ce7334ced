/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as a collector of files reads them: Prometheus' text 0.0.4 in place of OpenMetrics', with
 * the store's name as a label, since the files of many stores are read together. */
#ifndef MS_STORE_WATCH_METRICS_FILE_H
#define MS_STORE_WATCH_METRICS_FILE_H

#include "util/text.h"

/* Append what ms_metrics_write() wrote in the other form. `store_name` may be "", which is no label. */
void ms_metrics_for_file(const struct ms_text *metrics, const char *store_name,
                         struct ms_text *out);

#endif
