/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Status names and error messages.
 */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

NpuStatus
npu_error_set (NpuError * error, NpuStatus status, const char *format, ...)
{
  if (error) {
    va_list args;

    error->status = status;
    va_start (args, format);
    vsnprintf (error->message, sizeof (error->message), format, args);
    va_end (args);
  }
  return status;
}

const char *
npu_status_name (NpuStatus status)
{
  static const char *const names[] = {
    [NPU_OK] = "ok",
    [NPU_EINVAL] = "invalid argument",
    [NPU_ENOMEM] = "out of memory",
    [NPU_EIO] = "input/output error",
    [NPU_EFORMAT] = "malformed file",
    [NPU_ENOTSUP] = "not supported",
    [NPU_ENODEV] = "no such device",
    [NPU_EDEVICE] = "device fault",
    [NPU_ETIMEDOUT] = "timed out",
    [NPU_EBUSY] = "busy",
    [NPU_ECANCELED] = "cancelled",
  };

  if ((unsigned) status >= sizeof (names) / sizeof (names[0]))
    return "unknown status";
  return names[status];
}
