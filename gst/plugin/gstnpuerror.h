/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The core's errors as error messages on the bus.
 */
#ifndef GST_NPU_ERROR_H
#define GST_NPU_ERROR_H

#include <gst/gst.h>

#include "base/status.h"

G_BEGIN_DECLS

/* Posts @error, with the core's message as the text that people read. Takes
 * the place of GST_ELEMENT_ERROR() where the core says what is wrong. */
#define gst_npu_element_error(element, error) \
  gst_npu_element_error_full (element, error, __FILE__, GST_FUNCTION, __LINE__)

void gst_npu_element_error_full (GstElement * element, const NpuError * error,
    const gchar * file, const gchar * function, gint line);

/* Sticky events come again with each buffer, and caps are tried again: one error
 * for all. Returns whether @refused was not set yet, and sets it. */
gboolean gst_npu_is_refused_anew (gboolean * refused);

/* What an event function returns as a flow: FALSE while @onward, the pad that
 * events go on from, is being flushed or shut down is nobody's error, and must
 * not become one upstream. */
GstFlowReturn gst_npu_event_flow (GstPad * onward, GstEventType type,
    gboolean handled);

G_END_DECLS

#endif
