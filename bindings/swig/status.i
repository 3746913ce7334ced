/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses: the enumeration with its values, memstore_strerror() and memstore_status_name(). Both
 * return static strings, which no language may free. */
%include <memstore/export.h>
%include <memstore/status.h>
