/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The core's errors as error messages on the bus.
 */
#include "gstnpuerror.h"

#include <gstnpustatus.h>

void
gst_npu_element_error_full (GstElement * element, const NpuError * error,
    const gchar * file, const gchar * function, gint line)
{
  gst_element_message_full (element, GST_MESSAGE_ERROR, GST_RESOURCE_ERROR,
      gst_npu_status_to_resource_error (error->status),
      g_strdup (error->message),
      g_strdup (npu_status_name (error->status)), file, function, line);
}

gboolean
gst_npu_is_refused_anew (gboolean * refused)
{
  gboolean anew = !*refused;

  *refused = TRUE;
  return anew;
}

GstFlowReturn
gst_npu_event_flow (GstPad * onward, GstEventType type, gboolean handled)
{
  if (handled)
    return GST_FLOW_OK;
  if (GST_PAD_IS_FLUSHING (onward))
    return GST_FLOW_FLUSHING;
  return type == GST_EVENT_CAPS ? GST_FLOW_NOT_NEGOTIATED : GST_FLOW_ERROR;
}
