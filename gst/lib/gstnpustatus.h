/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Statuses of the core as errors of GStreamer. Private to library and plugin.
 */
#ifndef GST_NPU_STATUS_H
#define GST_NPU_STATUS_H

#include <gst/gst.h>

#include "device/device.h"

static inline GstResourceError
gst_npu_status_to_resource_error (NpuStatus status)
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

#endif
