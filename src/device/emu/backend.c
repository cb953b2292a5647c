/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The emulated NPU as a device: options, description, sizes, the host's clock.
 * Whatever it reports is emulated, and info.emulated says so.
 */
#include "device/emu/emu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

/* What a host page needs to be given to a device. */
#define BUFFER_ALIGNMENT 4096
/* More is a mistake in somebody's arithmetic. */
#define MAX_THREADS 1024

static uint32_t
available_threads (void)
{
  cpu_set_t set;

  if (sched_getaffinity (0, sizeof (set), &set) == 0 && CPU_COUNT (&set) > 0)
    return (uint32_t) CPU_COUNT (&set);
  return 1;
}

static NpuStatus
resolve (const NpuDeviceOptions * options, NpuDeviceOptions * resolved,
    NpuError * error)
{
  uint32_t threads = options->threads ? options->threads :
      available_threads ();
  NpuEmuSettings settings;

  if (options->threads > MAX_THREADS)
    return npu_error_set (error, NPU_EINVAL,
        "%u threads; at most %d are supported", options->threads, MAX_THREADS);
  if (options->isa && strcmp (options->isa, "auto") != 0)
    return npu_error_set (error, NPU_ENOTSUP, "the emulated NPU has no "
        "instruction set \"%.32s\"; leave out isa", options->isa);
  /* A thread plays at least one core. */
  resolved->threads = threads < NPU_EMU_CORES ? threads : NPU_EMU_CORES;
  resolved->isa = NULL;
  resolved->settings = options->settings && *options->settings
      ? options->settings : NULL;
  return npu_emu_settings_parse (resolved->settings, &settings, error);
}

static void
describe (NpuEmuDevice * device, uint32_t threads)
{
  const NpuEmuSettings *settings = &device->settings;
  NpuDeviceInfo *info = &device->base.info;

  info->name = npu_emu_backend.name;
  snprintf (info->description, sizeof (info->description), "emulated NPU, %d "
      "columns x %d cores, played by %u host thread%s, %s, %s time%s",
      NPU_EMU_COLUMNS, NPU_EMU_COLUMN_CORES, threads, threads == 1 ? "" : "s",
      settings->cost_name, settings->virtual_time ? "virtual" : "real",
      settings->fault == NPU_EMU_FAULT_NONE ? "" : ", with a fault");
  info->emulated = true;
  info->virtual_time = settings->virtual_time;
  info->queues = NPU_EMU_QUEUES;
  info->queue_depth = NPU_EMU_QUEUE_DEPTH;
  info->run_timeout_ns = settings->timeout_ms * 1000000;
  info->buffer_alignment = BUFFER_ALIGNMENT;
  info->context_step = 1;       /* ragged tiles are filled up with zeros */
  info->operations = 1u << NPU_OPERATION_CONV1D_STEM
      | 1u << NPU_OPERATION_LAYER_NORM | 1u << NPU_OPERATION_GEMM
      | 1u << NPU_OPERATION_ATTENTION | 1u << NPU_OPERATION_TILE;
  info->precisions = 1u << NPU_PRECISION_BF16;
  info->best_precision = NPU_PRECISION_BF16;
  info->threads = threads;
}

static void
close_device (NpuDevice * base)
{
  NpuEmuDevice *device = (NpuEmuDevice *) base;

  npu_pool_free (device->pool);
  free (device->cores);
  pthread_cond_destroy (&device->served);
  pthread_mutex_destroy (&device->lock);
  free (device);
}

static NpuStatus
open_device (const NpuDeviceOptions * options, NpuDevice ** opened,
    NpuError * error)
{
  NpuEmuDevice *device = calloc (1, sizeof (*device));
  NpuStatus status;

  if (!device)
    return npu_error_set (error, NPU_ENOMEM, "emulated NPU: out of memory");
  pthread_mutex_init (&device->lock, NULL);
  pthread_cond_init (&device->served, NULL);
  status = npu_emu_settings_parse (options->settings, &device->settings,
      error);
  if (status == NPU_OK) {
    device->cores = calloc (NPU_EMU_CORES, sizeof (*device->cores));
    device->pool = npu_pool_create (options->threads);
    if (!device->cores || !device->pool)
      status = npu_error_set (error, NPU_ENOMEM, "emulated NPU: cannot start "
          "%u threads; ask for fewer", options->threads);
  }
  if (status != NPU_OK) {
    close_device (&device->base);
    return status;
  }
  describe (device, options->threads);
  *opened = &device->base;
  return NPU_OK;
}

/* ------------------------------------------------------------- clock */

static uint64_t
device_now (const NpuDevice * base)
{
  NpuEmuDevice *device = (NpuEmuDevice *) base;
  uint64_t now;

  if (!device->settings.virtual_time)
    return npu_monotonic_now ();
  pthread_mutex_lock (&device->lock);
  now = device->host_ns;
  pthread_mutex_unlock (&device->lock);
  return now;
}

static void
host_waited (NpuDevice * base, uint64_t ended_ns)
{
  NpuEmuDevice *device = (NpuEmuDevice *) base;

  if (!device->settings.virtual_time)
    return;
  pthread_mutex_lock (&device->lock);
  if (device->host_ns < ended_ns)
    device->host_ns = ended_ns;
  pthread_mutex_unlock (&device->lock);
}

/* ------------------------------------------------------------- sizes */

static size_t
activation_size (const NpuDevice * device, uint32_t rows, uint32_t width)
{
  size_t size;

  if (__builtin_mul_overflow (npu_emu_stride (width) * sizeof (uint16_t),
          (size_t) rows, &size))
    return 0;
  return size;
}

/* No operation of the array uses a cache; the size is that of keys and values
 * as activations. */
static size_t
cache_size (const NpuDevice * device, uint32_t rows, uint32_t width)
{
  size_t size = activation_size (device, rows, width);

  return size <= SIZE_MAX / 2 ? 2 * size : 0;
}

const NpuDeviceBackend npu_emu_backend = {
  .name = "emu",
  .resolve = resolve,
  .open = open_device,
  .close = close_device,
  .now = device_now,
  .waited = host_waited,
  .activation_size = activation_size,
  .cache_size = cache_size,
  .stem_scratch_size = npu_emu_stem_scratch_size,
  .buffer_create = npu_emu_buffer_create,
  .buffer_destroy = npu_emu_buffer_destroy,
  .buffer_sync = npu_emu_buffer_sync,
  .program_load = npu_emu_program_load,
  .program_destroy = npu_emu_program_destroy,
  .queue_create = npu_emu_queue_create,
  .queue_destroy = npu_emu_queue_destroy,
  .queue_submit = npu_emu_queue_submit,
  .queue_statistics = npu_emu_queue_statistics,
  .reset = npu_emu_reset,
};
