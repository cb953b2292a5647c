/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a back end of the device interface fills in, and the part of every
 * object that the public functions (device.c, queue.c, check.c) own. They have
 * checked all arguments before a back end sees them: pointers are there unless
 * an entry says that they may be NULL, objects belong to the device, views lie
 * in their buffers, tensors have the kinds and shapes that the operation needs.
 *
 * A back end embeds the public part as first member of its own structure and
 * fills what the entry's comment names. Entries return NPU_OK or one of the
 * errors listed, with a message in @error where there is one (may be NULL).
 */
#ifndef NPU_DEVICE_BACKEND_H
#define NPU_DEVICE_BACKEND_H

#include "device/device.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct NpuDeviceBackend NpuDeviceBackend;

struct NpuDevice
{
  const NpuDeviceBackend *backend;      /* set by device.c after open */
  atomic_uint references;
  NpuDevice *next;              /* in device.c's list, under its lock */
  NpuDeviceOptions options;     /* as the back end resolved them */
  NpuDeviceInfo info;           /* filled by the back end's open */
};

struct NpuBuffer
{
  NpuDevice *device;
  atomic_uint references;
  size_t size;
  uint32_t group;
  void *host;                   /* filled by the back end */
};

typedef struct
{
  NpuTensorKind kind;
  uint32_t rows;
  uint32_t columns;
} NpuTensorShape;

struct NpuProgram
{
  NpuDevice *device;
  atomic_uint references;
  NpuPrecision precision;       /* never AUTO */
  uint32_t tensors;
  NpuTensorShape *shapes;       /* one per tensor; device.c's */
  size_t bytes;                 /* filled by the back end */
};

struct NpuQueue
{
  NpuDevice *device;
};

typedef enum
{
  NPU_FENCE_IDLE,
  NPU_FENCE_PENDING,
  NPU_FENCE_SIGNALLED,
} NpuFenceState;

/* Fences are the same for all back ends, which only signal them. */
struct NpuFence
{
  NpuDevice *device;
  pthread_mutex_t lock;
  pthread_cond_t signalled;
  NpuFenceState state;
  NpuError result;              /* valid when signalled */
  uint64_t started_ns;          /* likewise; 0 if the list never began */
  uint64_t ended_ns;
  void (*notify) (void *user);  /* NULL for nobody */
  void *notify_user;
};

/* What a queue takes in and keeps until it signals the fence. */
typedef struct
{
  const NpuProgram *program;    /* with a reference, dropped by the back end;
                                 * NULL where no operation has tensors */
  const NpuOperation *operations;       /* the caller's, unchanging */
  size_t count;                 /* may be 0 */
  NpuFence *fence;              /* pending; the back end signals it once */
} NpuList;

struct NpuDeviceBackend
{
  const char *name;

  /* Make @resolved what a device opened with @options (never NULL) would use:
   * a real number of threads, a static name of an instruction set or NULL, and
   * settings as they are in @options, checked, or NULL. Two opens that resolve
   * to the same share one device. Any thread; must not
   * block. NPU_ENODEV when there is no such hardware, NPU_ENOTSUP when it
   * cannot do what @options ask for. */
  NpuStatus (*resolve) (const NpuDeviceOptions * options,
      NpuDeviceOptions * resolved, NpuError * error);

  /* Open a device with resolved options and fill its info; the caller sets the
   * rest of the public part. One thread at a time; may block. NPU_ENODEV,
   * NPU_ENOMEM, NPU_EDEVICE. */
  NpuStatus (*open) (const NpuDeviceOptions * options, NpuDevice ** device,
      NpuError * error);

  /* Free the device; nothing of it exists any more. May block. */
  void (*close) (NpuDevice * device);

  /* The device's clock in nanoseconds; NULL for the monotonic one. Any thread;
   * must not block. */
  uint64_t (*now) (const NpuDevice * device);

  /* The host has waited for something that ended at @ended_ns on that clock;
   * NULL where clocks run by themselves. Any thread; must not block. */
  void (*waited) (NpuDevice * device, uint64_t ended_ns);

  /* Sizes in bytes, a multiple of 64; 0 when they overflow. @rows and @width
   * may be 0, then any size. Any thread; must not block. */
  size_t (*activation_size) (const NpuDevice * device, uint32_t rows,
      uint32_t width);
  size_t (*cache_size) (const NpuDevice * device, uint32_t rows,
      uint32_t width);
  size_t (*stem_scratch_size) (const NpuDevice * device, uint32_t positions,
      uint32_t bands, uint32_t width);

  /* Allocate @size (not 0) zeroed bytes and fill the buffer's host address; the
   * caller sets the rest of the public part, the reference to the device
   * included. Any thread; may block. NPU_ENOMEM, NPU_EINVAL for a bad group. */
  NpuStatus (*buffer_create) (NpuDevice * device, size_t size, uint32_t group,
      NpuBuffer ** buffer, NpuError * error);
  void (*buffer_destroy) (NpuBuffer * buffer);

  /* Transfer a range that lies in the buffer. Any thread; may block.
   * NPU_EDEVICE, NPU_ENODEV. */
  NpuStatus (*buffer_sync) (NpuBuffer * buffer, NpuSyncDirection direction,
      size_t offset, size_t size);

  /* Read and pack all of @source (rows and columns are not 0), at a precision
   * that info.precisions has, and fill the program's bytes; the caller sets
   * the rest of the public part. Any thread; may block. NPU_ENOMEM, or what
   * the source's read returned. */
  NpuStatus (*program_load) (NpuDevice * device, NpuPrecision precision,
      const NpuProgramSource * source, NpuProgram ** program,
      NpuError * error);

  /* Free the weights. Any thread. */
  void (*program_destroy) (NpuProgram * program);

  /* Any thread; may block. NPU_ENOMEM, NPU_EBUSY when there are too many. */
  NpuStatus (*queue_create) (NpuDevice * device, NpuQueue ** queue,
      NpuError * error);

  /* Wait for all lists, cancelling those that hang, then free the queue. */
  void (*queue_destroy) (NpuQueue * queue);

  /* Take in @list, copying the structure. Lists that were taken in end in
   * order with npu_fence_signal() and a dropped reference to the program, even
   * when they fail. Any thread; must neither block on the device nor allocate.
   * NPU_EBUSY when the queue is full, NPU_ENOTSUP for a form or size of an
   * operation that the device lacks; then nothing was taken. */
  NpuStatus (*queue_submit) (NpuQueue * queue, const NpuList * list,
      NpuError * error);

  /* Any thread; must not block on the device. */
  void (*queue_statistics) (NpuQueue * queue, NpuQueueStatistics * statistics);

  /* End what is pending with NPU_ECANCELED and make the device usable. Any
   * thread; may block. NPU_ENODEV when it is lost. */
  NpuStatus (*reset) (NpuDevice * device, NpuError * error);
};

extern const NpuDeviceBackend npu_cpu_backend;
extern const NpuDeviceBackend npu_emu_backend;

/**
 * npu_fence_signal:
 * End the wait for @fence, which is pending.
 *
 * @result      how the list ended; copied. The message may be empty
 * @started_ns  when it began to run, 0 if it never did
 * @ended_ns    when it ended
 *
 * Any thread that holds no lock which the fence's owner may hold. The fence may
 * be freed by its owner as soon as this is called.
 */
void npu_fence_signal (NpuFence * fence, const NpuError * result,
    uint64_t started_ns, uint64_t ended_ns);

/**
 * npu_monotonic_now:
 * Returns nanoseconds on the monotonic clock. Any thread.
 */
uint64_t npu_monotonic_now (void);

/**
 * npu_operations_check:
 * Check a list for npu_queue_submit(): kinds and shapes of tensors, sizes,
 * alignment and ranges of views.
 *
 * Returns NPU_OK, or NPU_EINVAL or NPU_ENOTSUP with a message that names the
 * operation by its number and the field. Any thread; never blocks.
 */
NpuStatus npu_operations_check (const NpuDevice * device,
    const NpuProgram * program, const NpuOperation * operations, size_t count,
    NpuError * error);

#endif
