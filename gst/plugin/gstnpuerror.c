/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The core's errors as error messages on the bus.
 */
#include "gstnpuerror.h"

static GstResourceError
resource_error (NpuStatus status)
{
  switch (status) {
    case NPU_EINVAL:
    case NPU_ENOTSUP:
      return GST_RESOURCE_ERROR_SETTINGS;
    case NPU_ENOMEM:
      return GST_RESOURCE_ERROR_NO_SPACE_LEFT;
    case NPU_EIO:
      return GST_RESOURCE_ERROR_OPEN_READ;
    case NPU_EFORMAT:
      return GST_RESOURCE_ERROR_READ;
    case NPU_ENODEV:
      return GST_RESOURCE_ERROR_NOT_FOUND;
    case NPU_EBUSY:
      return GST_RESOURCE_ERROR_BUSY;
    default:
      return GST_RESOURCE_ERROR_FAILED;
  }
}

void
gst_npu_element_error_full (GstElement * element, const NpuError * error,
    const gchar * file, const gchar * function, gint line)
{
  gst_element_message_full (element, GST_MESSAGE_ERROR, GST_RESOURCE_ERROR,
      resource_error (error->status), g_strdup (error->message),
      g_strdup (npu_status_name (error->status)), file, function, line);
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
