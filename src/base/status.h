/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Status codes and error messages of the core. Every function that can fail
 * returns an NpuStatus; those that fail for reasons that a person must read
 * take an NpuError too.
 */
#ifndef NPU_BASE_STATUS_H
#define NPU_BASE_STATUS_H

#if defined(__GNUC__)
#define NPU_API __attribute__ ((visibility ("default")))
#define NPU_PRINTF(string, first) \
  __attribute__ ((format (printf, string, first)))
#else
#define NPU_API
#define NPU_PRINTF(string, first)
#endif

typedef enum
{
  NPU_OK = 0,
  NPU_EINVAL,                   /* an argument is out of its documented range */
  NPU_ENOMEM,                   /* host or device memory is exhausted */
  NPU_EIO,                      /* a file could not be opened or read */
  NPU_EFORMAT,                  /* a file's contents are malformed or hostile */
  NPU_ENOTSUP,                  /* valid, but not supported here */
  NPU_ENODEV,                   /* the device is absent or lost */
  NPU_EDEVICE,                  /* the device reported a fault */
  NPU_ETIMEDOUT,                /* the time given ran out */
  NPU_EBUSY,                    /* the resource is in use */
  NPU_ECANCELED,                /* given up on request */
} NpuStatus;

#define NPU_ERROR_LENGTH 512

typedef struct
{
  NpuStatus status;
  char message[NPU_ERROR_LENGTH];       /* reason and remedy, one line */
} NpuError;

/**
 * npu_error_set:
 * Fill @error with @status and a message in the manner of printf().
 *
 * @error  may be NULL, then nothing is stored
 *
 * Returns @status, so that a failing function can end with it. Messages that
 * are too long are cut. Any thread; never allocates.
 */
NPU_API NpuStatus npu_error_set (NpuError * error, NpuStatus status,
    const char *format, ...) NPU_PRINTF (3, 4);

/**
 * npu_status_name:
 * Returns a short English name of @status, never NULL. Any thread.
 */
NPU_API const char *npu_status_name (NpuStatus status);

#endif
