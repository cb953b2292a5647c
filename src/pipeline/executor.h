/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Executor of N slots on one device. A slot owns what is written while its run
 * is in flight: its buffers, its run (a list of operations) and its fence. Work
 * goes through three stages, of which those of different slots overlap:
 *
 *   stage in   the host uploads input (npu_executor_stage())
 *   run        the device works (npu_executor_submit())
 *   read out   the host downloads output (npu_executor_collect())
 *
 * Results are collected in the order of submission, whatever the order in which
 * runs end. With depth 1 nothing overlaps; with depth 2 the transfers of one
 * slot hide behind the run of the other.
 *
 *   free --open--> open --submit--> in flight --collect--> collected
 *   open --close--> free, collected --close--> free
 *
 * A run that does not end in time, or ends with a fault of the device, resets
 * the device; what was in flight is run again once, in order. Input buffers are
 * therefore left alone until a slot is collected, and operations only read
 * them.
 *
 * One thread at a time per executor, except where a function says otherwise.
 * Nothing but npu_executor_create() and npu_executor_buffer() allocates.
 */
#ifndef NPU_PIPELINE_EXECUTOR_H
#define NPU_PIPELINE_EXECUTOR_H

#include "device/buffer-pool.h"
#include "device/device.h"
#include "pipeline/statistics.h"

typedef struct NpuExecutor NpuExecutor;

#define NPU_EXECUTOR_MAX_DEPTH 8
/* Ranges that are read out after a run. */
#define NPU_EXECUTOR_OUTPUTS 8

typedef struct
{
  uint32_t depth;               /* slots, 1 ... NPU_EXECUTOR_MAX_DEPTH */
  uint32_t queues;              /* slots are dealt to them in turn; 0 means 1.
                                 * Runs of different queues may overlap */
  uint64_t run_timeout_ns;      /* a run that takes longer hangs; 0 for the
                                 * device's own limit, if it has one */
  /* Called by a thread of the device when a run has ended; NULL for nobody.
   * See npu_fence_set_notify(). */
  void (*notify) (void *user);
  void *notify_user;
} NpuExecutorOptions;

typedef struct
{
  NpuBuffer *buffer;
  size_t offset;                /* bytes */
  size_t size;
} NpuExecutorRange;

typedef struct
{
  const NpuProgram *program;
  const NpuOperation *operations;       /* the slot's; unchanging in flight */
  size_t count;
  uint32_t output_count;
  NpuExecutorRange outputs[NPU_EXECUTOR_OUTPUTS];
  uint32_t items;               /* windows or tiles in this run */
} NpuExecutorRun;

/**
 * npu_executor_create:
 * Make an executor with free slots; free it with npu_executor_free().
 *
 * @options  NULL for depth 2 and defaults
 *
 * Returns NPU_OK, NPU_EINVAL, NPU_ENOMEM, or NPU_EBUSY when the device has no
 * more queues.
 */
NPU_API NpuStatus npu_executor_create (NpuDevice * device,
    const NpuExecutorOptions * options, NpuExecutor ** executor,
    NpuError * error);

/**
 * npu_executor_free:
 * Wait for what is in flight, a run that hangs no longer than its time-out,
 * then free the slots and their buffers. NULL is ignored.
 */
NPU_API void npu_executor_free (NpuExecutor * executor);

/**
 * npu_executor_depth:
 * Returns the number of slots. Any thread.
 */
NPU_API uint32_t npu_executor_depth (const NpuExecutor * executor);

/**
 * npu_executor_buffer:
 * Take a buffer for slot @slot from the executor's pool: by @name, so that
 * every slot has its own. It lives as long as the executor; asking again gives
 * the same.
 *
 * Returns NPU_OK, NPU_EINVAL, NPU_ENOMEM.
 */
NPU_API NpuStatus npu_executor_buffer (NpuExecutor * executor, uint32_t slot,
    const char *name, size_t size, uint32_t group, NpuBuffer ** buffer,
    NpuError * error);

/**
 * npu_executor_open:
 * Take the next free slot.
 *
 * @id  of the window, tile or batch that it is for: for the timeline
 *
 * Returns NPU_OK, or NPU_EBUSY when none is free: collect and close one. The
 * first refusal after a success counts as a stall.
 */
NPU_API NpuStatus npu_executor_open (NpuExecutor * executor, uint64_t id,
    uint32_t * slot);

/**
 * npu_executor_stage:
 * Upload @size bytes of @buffer from @offset for the open slot @slot; any
 * number of times. Blocks for the transfer.
 *
 * Returns NPU_OK, NPU_EINVAL, or an error of npu_buffer_sync().
 */
NPU_API NpuStatus npu_executor_stage (NpuExecutor * executor, uint32_t slot,
    NpuBuffer * buffer, size_t offset, size_t size, NpuError * error);

/**
 * npu_executor_submit:
 * Run the open slot @slot. @run is copied, what it points to is not. When the
 * queue is full the run starts as soon as another one was collected.
 *
 * Returns NPU_OK, NPU_EINVAL, or an error of npu_queue_submit(); then the slot
 * is still open.
 */
NPU_API NpuStatus npu_executor_submit (NpuExecutor * executor, uint32_t slot,
    const NpuExecutorRun * run, NpuError * error);

/**
 * npu_executor_collect:
 * Wait at most @timeout_ns (0 polls) for the run that was submitted first among
 * those in flight, and download its outputs.
 *
 * @slot  out: the slot, to be closed when its outputs were used; also set where
 *        the run failed. Left alone with NPU_ETIMEDOUT
 *
 * Returns NPU_OK; NPU_ETIMEDOUT while it still runs; NPU_EINVAL when nothing is
 * in flight; or how the run failed, also after a second try: NPU_EDEVICE for a
 * fault or a hang, NPU_ENODEV for a lost device.
 */
NPU_API NpuStatus npu_executor_collect (NpuExecutor * executor,
    uint64_t timeout_ns, uint32_t * slot, NpuError * error);

/**
 * npu_executor_close:
 * Make the open or collected slot @slot free.
 */
NPU_API void npu_executor_close (NpuExecutor * executor, uint32_t slot);

/**
 * npu_executor_in_flight:
 * Returns how many slots were submitted and not collected. Any thread.
 */
NPU_API uint32_t npu_executor_in_flight (const NpuExecutor * executor);

/**
 * npu_executor_statistics:
 * Copy the figures since creation or the last reset. Any thread.
 */
NPU_API void npu_executor_statistics (NpuExecutor * executor,
    NpuPipelineStatistics * statistics);

/**
 * npu_executor_reset_statistics:
 * Begin to count anew (after a warm-up), with nothing in flight.
 */
NPU_API void npu_executor_reset_statistics (NpuExecutor * executor);

/**
 * npu_executor_pool:
 * Returns the pool that npu_executor_buffer() takes from. Any thread.
 */
NPU_API NpuBufferPool *npu_executor_pool (const NpuExecutor * executor);

#endif
