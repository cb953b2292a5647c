/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu device: opening, description, buffers. Host and device are the same
 * memory, so that syncing does nothing.
 */
#include "device/cpu/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_ALIGNMENT 64
/* More is a mistake in somebody's arithmetic. */
#define BUFFER_MAX (UINT64_C (1) << 38)
#define MAX_THREADS 1024
#define ISA_VARIABLE "NPU_CPU_ISA"

static uint32_t
available_threads (void)
{
  cpu_set_t set;
  long online;

  if (sched_getaffinity (0, sizeof (set), &set) == 0 && CPU_COUNT (&set) > 0)
    return (uint32_t) CPU_COUNT (&set);
  online = sysconf (_SC_NPROCESSORS_ONLN);
  return online > 0 ? (uint32_t) online : 1;
}

static NpuStatus
unsupported_isa (const char *isa, NpuError * error)
{
  char have[64] = "";
  size_t length = 0;

  for (const char *const *name = npu_kernels_names (); *name; name++)
    length += (size_t) snprintf (have + length, sizeof (have) - length, " %s",
        *name);
  return npu_error_set (error, NPU_ENOTSUP, "this processor cannot run the "
      "instruction set \"%.32s\"; it has:%s (or leave out isa and "
      ISA_VARIABLE ")", isa, have);
}

static NpuStatus
resolve (const NpuDeviceOptions * options, NpuDeviceOptions * resolved,
    NpuError * error)
{
  const char *isa = options->isa;
  const char *const *name = npu_kernels_names ();

  if (options->threads > MAX_THREADS)
    return npu_error_set (error, NPU_EINVAL,
        "%u threads; at most %d are supported", options->threads, MAX_THREADS);
  if (options->settings && *options->settings)
    return npu_error_set (error, NPU_EINVAL, "the cpu device has no settings, "
        "but got \"%.64s\"; leave them out", options->settings);
  resolved->settings = NULL;
  resolved->threads = options->threads ? options->threads :
      available_threads ();
  if (!isa || strcmp (isa, "auto") == 0)
    isa = getenv (ISA_VARIABLE);
  if (!isa || !*isa || strcmp (isa, "auto") == 0) {
    resolved->isa = name[0];
    return NPU_OK;
  }
  while (*name && strcmp (*name, isa) != 0)
    name++;
  resolved->isa = *name;
  return *name ? NPU_OK : unsupported_isa (isa, error);
}

static void
read_processor_name (char *name, size_t size)
{
  static const char field[] = "model name";
  char line[256];
  FILE *file = fopen ("/proc/cpuinfo", "re");

  snprintf (name, size, "processor");
  while (file && fgets (line, sizeof (line), file)) {
    char *value = strchr (line, ':');

    if (!value || strncmp (line, field, sizeof (field) - 1) != 0)
      continue;
    value += strspn (value, ": \t");
    value[strcspn (value, "\n")] = '\0';
    snprintf (name, size, "%s", value);
    break;
  }
  if (file)
    fclose (file);
}

static void
describe (NpuCpuDevice * device, uint32_t threads)
{
  NpuDeviceInfo *info = &device->base.info;
  char name[96];

  info->name = npu_cpu_backend.name;
  read_processor_name (name, sizeof (name));
  snprintf (info->description, sizeof (info->description),
      "%s, %s kernels, %u thread%s", name, device->kernels.name, threads,
      threads == 1 ? "" : "s");
  info->buffer_alignment = BUFFER_ALIGNMENT;
  info->context_step = 1;
  info->queue_depth = NPU_CPU_QUEUE_DEPTH;
  info->operations = (1u << NPU_OPERATIONS) - 1;
  info->precisions = 1u << NPU_PRECISION_FLOAT32 | 1u << NPU_PRECISION_BF16
      | 1u << NPU_PRECISION_INT8;
  info->best_precision = NPU_PRECISION_FLOAT32;
  info->threads = threads;
}

static void
close_device (NpuDevice * base)
{
  NpuCpuDevice *device = (NpuCpuDevice *) base;

  npu_pool_free (device->pool);
  free (device->scratch);
  pthread_mutex_destroy (&device->lock);
  free (device);
}

static NpuStatus
open_device (const NpuDeviceOptions * options, NpuDevice ** opened,
    NpuError * error)
{
  NpuCpuDevice *device = calloc (1, sizeof (*device));

  if (!device)
    return npu_error_set (error, NPU_ENOMEM, "cpu device: out of memory");
  pthread_mutex_init (&device->lock, NULL);
  device->scratch = aligned_alloc (_Alignof (NpuCpuScratch),
      options->threads * sizeof (NpuCpuScratch));
  device->pool = npu_pool_create (options->threads);
  if (!device->scratch || !device->pool) {
    close_device (&device->base);
    return npu_error_set (error, NPU_ENOMEM,
        "cpu device: cannot start %u threads; ask for fewer",
        options->threads);
  }
  npu_kernels_init (&device->kernels, options->isa);
  describe (device, options->threads);
  *opened = &device->base;
  return NPU_OK;
}

/* ------------------------------------------------------------- sizes */

size_t
npu_cpu_activation_size (const NpuDevice * device, uint32_t rows,
    uint32_t width)
{
  size_t size;

  if (__builtin_mul_overflow (npu_cpu_stride (width) * sizeof (float),
          (size_t) rows, &size))
    return 0;
  return size;
}

size_t
npu_cpu_cache_size (const NpuDevice * device, uint32_t rows, uint32_t width)
{
  size_t size;

  /* Keys and values. */
  if (__builtin_mul_overflow (npu_cpu_stride (width) * 2 * sizeof (float),
          npu_cpu_stride (rows), &size))
    return 0;
  return size;
}

/* ----------------------------------------------------------- buffers */

static NpuStatus
buffer_create (NpuDevice * device, size_t size, uint32_t group,
    NpuBuffer ** created, NpuError * error)
{
  NpuBuffer *buffer = calloc (1, sizeof (*buffer));

  if (!buffer || size > BUFFER_MAX
      || posix_memalign (&buffer->host, BUFFER_ALIGNMENT, size) != 0) {
    free (buffer);
    return npu_error_set (error, NPU_ENOMEM,
        "cpu device: no memory for a buffer of %zu bytes", size);
  }
  memset (buffer->host, 0, size);
  *created = buffer;
  return NPU_OK;
}

static void
buffer_destroy (NpuBuffer * buffer)
{
  free (buffer->host);
  free (buffer);
}

static NpuStatus
buffer_sync (NpuBuffer * buffer, NpuSyncDirection direction, size_t offset,
    size_t size)
{
  return NPU_OK;
}

const NpuDeviceBackend npu_cpu_backend = {
  .name = "cpu",
  .resolve = resolve,
  .open = open_device,
  .close = close_device,
  .activation_size = npu_cpu_activation_size,
  .cache_size = npu_cpu_cache_size,
  .stem_scratch_size = npu_cpu_stem_scratch_size,
  .buffer_create = buffer_create,
  .buffer_destroy = buffer_destroy,
  .buffer_sync = buffer_sync,
  .program_load = npu_cpu_program_load,
  .program_destroy = npu_cpu_program_destroy,
  .queue_create = npu_cpu_queue_create,
  .queue_destroy = npu_cpu_queue_destroy,
  .queue_submit = npu_cpu_queue_submit,
  .queue_statistics = npu_cpu_queue_statistics,
  .reset = npu_cpu_reset,
};
