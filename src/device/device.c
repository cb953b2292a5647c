/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Public functions for devices, buffers and programs: arguments are checked
 * here, references are counted here, the work is the back end's.
 */
#include "device/backend.h"

#include <stdlib.h>
#include <string.h>

/* Best first: "auto" takes the first that is present, of those before
 * BY_NAME_ONLY. An emulation is never better than the cpu. */
static const NpuDeviceBackend *const backends[] = {
  &npu_cpu_backend,
  &npu_emu_backend,
};

#define BACKENDS (sizeof (backends) / sizeof (backends[0]))
#define BY_NAME_ONLY 1
#define ALL_NAMES "cpu, emu"

static pthread_mutex_t devices_lock = PTHREAD_MUTEX_INITIALIZER;
static NpuDevice *devices;      /* those that are open, under devices_lock */

/* ------------------------------------------------------------ device */

static bool
same_text (const char *a, const char *b)
{
  return a == b || (a && b && strcmp (a, b) == 0);
}

static NpuDevice *
find_open (const NpuDeviceBackend * backend, const NpuDeviceOptions * options)
{
  for (NpuDevice * device = devices; device; device = device->next)
    if (device->backend == backend
        && device->options.threads == options->threads
        && same_text (device->options.isa, options->isa)
        && same_text (device->options.settings, options->settings))
      return device;
  return NULL;
}

/* With the lock held. */
static NpuStatus
open_new (const NpuDeviceBackend * backend, const NpuDeviceOptions * resolved,
    NpuDevice ** opened, NpuError * error)
{
  char *settings = NULL;
  NpuDevice *device;
  NpuStatus status;

  if (resolved->settings && !(settings = strdup (resolved->settings)))
    return npu_error_set (error, NPU_ENOMEM, "device open: out of memory");
  status = backend->open (resolved, &device, error);
  if (status != NPU_OK) {
    free (settings);
    return status;
  }
  device->backend = backend;
  device->options = *resolved;
  device->options.settings = settings;
  atomic_init (&device->references, 1);
  device->next = devices;
  devices = device;
  *opened = device;
  return NPU_OK;
}

static NpuStatus
open_backend (const NpuDeviceBackend * backend,
    const NpuDeviceOptions * options, NpuDevice ** device, NpuError * error)
{
  NpuDeviceOptions resolved = { 0 };
  NpuStatus status = backend->resolve (options, &resolved, error);
  NpuDevice *found;

  if (status != NPU_OK)
    return status;
  pthread_mutex_lock (&devices_lock);
  found = find_open (backend, &resolved);
  if (found) {
    atomic_fetch_add (&found->references, 1);
  } else {
    status = open_new (backend, &resolved, &found, error);
  }
  pthread_mutex_unlock (&devices_lock);
  if (status == NPU_OK)
    *device = found;
  return status;
}

NpuStatus
npu_device_open (const char *name, const NpuDeviceOptions * options,
    NpuDevice ** device, NpuError * error)
{
  static const NpuDeviceOptions defaults = { 0 };
  NpuStatus status = NPU_ENODEV;

  if (!name || !device)
    return npu_error_set (error, NPU_EINVAL,
        "device open: name and device must not be NULL");
  *device = NULL;
  if (!options)
    options = &defaults;
  if (strcmp (name, "auto") == 0) {
    for (size_t i = 0; i < BY_NAME_ONLY; i++) {
      status = open_backend (backends[i], options, device, error);
      if (status != NPU_ENODEV)
        break;
    }
    return status;
  }
  for (size_t i = 0; i < BACKENDS; i++)
    if (strcmp (backends[i]->name, name) == 0)
      return open_backend (backends[i], options, device, error);
  return npu_error_set (error, NPU_ENODEV,
      "there is no device called \"%.64s\"; there are: auto, " ALL_NAMES, name);
}

NpuDevice *
npu_device_ref (NpuDevice * device)
{
  atomic_fetch_add (&device->references, 1);
  return device;
}

void
npu_device_unref (NpuDevice * device)
{
  NpuDevice **link = &devices;
  char *settings;

  if (!device)
    return;
  /* Under the lock, so that nobody finds a device that is about to go. */
  pthread_mutex_lock (&devices_lock);
  if (atomic_fetch_sub (&device->references, 1) > 1) {
    pthread_mutex_unlock (&devices_lock);
    return;
  }
  while (*link != device)
    link = &(*link)->next;
  *link = device->next;
  pthread_mutex_unlock (&devices_lock);
  settings = (char *) device->options.settings;
  device->backend->close (device);
  free (settings);
}

const NpuDeviceInfo *
npu_device_info (const NpuDevice * device)
{
  return &device->info;
}

uint64_t
npu_device_now (const NpuDevice * device)
{
  return device->backend->now ? device->backend->now (device) :
      npu_monotonic_now ();
}

const char *const *
npu_device_names (void)
{
  static const char *const names[] = { "cpu", "emu", NULL };

  _Static_assert (sizeof (names) / sizeof (names[0]) == BACKENDS + 1,
      "the back ends must all be listed");
  return names;
}

size_t
npu_device_activation_size (const NpuDevice * device, uint32_t rows,
    uint32_t width)
{
  return device->backend->activation_size (device, rows, width);
}

size_t
npu_device_cache_size (const NpuDevice * device, uint32_t rows, uint32_t width)
{
  return device->backend->cache_size (device, rows, width);
}

size_t
npu_stem_scratch_size (const NpuDevice * device, uint32_t positions,
    uint32_t bands, uint32_t width)
{
  return device->backend->stem_scratch_size (device, positions, bands, width);
}

NpuStatus
npu_device_reset (NpuDevice * device, NpuError * error)
{
  if (!device)
    return npu_error_set (error, NPU_EINVAL,
        "device reset: device must not be NULL");
  return device->backend->reset (device, error);
}

/* ----------------------------------------------------------- buffers */

NpuStatus
npu_buffer_create (NpuDevice * device, size_t size, uint32_t group,
    NpuBuffer ** buffer, NpuError * error)
{
  NpuStatus status;

  if (!device || !buffer || size == 0)
    return npu_error_set (error, NPU_EINVAL,
        "buffer create: device and buffer must not be NULL, size not 0");
  *buffer = NULL;
  status = device->backend->buffer_create (device, size, group, buffer, error);
  if (status != NPU_OK)
    return status;
  (*buffer)->device = npu_device_ref (device);
  (*buffer)->size = size;
  (*buffer)->group = group;
  atomic_init (&(*buffer)->references, 1);
  return NPU_OK;
}

NpuBuffer *
npu_buffer_ref (NpuBuffer * buffer)
{
  atomic_fetch_add (&buffer->references, 1);
  return buffer;
}

void
npu_buffer_unref (NpuBuffer * buffer)
{
  NpuDevice *device;

  if (!buffer || atomic_fetch_sub (&buffer->references, 1) > 1)
    return;
  device = buffer->device;
  device->backend->buffer_destroy (buffer);
  npu_device_unref (device);
}

size_t
npu_buffer_size (const NpuBuffer * buffer)
{
  return buffer->size;
}

void *
npu_buffer_host (NpuBuffer * buffer)
{
  return buffer->host;
}

NpuStatus
npu_buffer_sync (NpuBuffer * buffer, NpuSyncDirection direction, size_t offset,
    size_t size)
{
  if (!buffer || (direction != NPU_SYNC_TO_DEVICE
          && direction != NPU_SYNC_FROM_DEVICE))
    return NPU_EINVAL;
  if (offset > buffer->size || size > buffer->size - offset)
    return NPU_EINVAL;
  return buffer->device->backend->buffer_sync (buffer, direction, offset, size);
}

/* ---------------------------------------------------------- programs */

static NpuStatus
check_source (const NpuProgramSource * source, NpuError * error)
{
  if (source->tensors == 0 || !source->descriptions || !source->read)
    return npu_error_set (error, NPU_EINVAL,
        "program load: the source has no tensors or no read function");
  for (uint32_t i = 0; i < source->tensors; i++) {
    const NpuTensorDescription *tensor = &source->descriptions[i];
    const char *name = tensor->name ? tensor->name : "unnamed";

    if ((unsigned) tensor->kind > NPU_TENSOR_EMBEDDING)
      return npu_error_set (error, NPU_EINVAL,
          "program load: tensor %u (%.64s) has unknown kind %d", i, name,
          (int) tensor->kind);
    if (tensor->rows == 0 || tensor->columns == 0)
      return npu_error_set (error, NPU_EINVAL,
          "program load: tensor %u (%.64s) is %u x %u, it must not be empty",
          i, name, tensor->rows, tensor->columns);
    if (tensor->kind == NPU_TENSOR_VECTOR && tensor->rows != 1)
      return npu_error_set (error, NPU_EINVAL,
          "program load: vector %u (%.64s) has %u rows, it must have 1",
          i, name, tensor->rows);
  }
  return NPU_OK;
}

static NpuTensorShape *
copy_shapes (const NpuProgramSource * source)
{
  NpuTensorShape *shapes = calloc (source->tensors, sizeof (*shapes));

  if (shapes)
    for (uint32_t i = 0; i < source->tensors; i++) {
      shapes[i].kind = source->descriptions[i].kind;
      shapes[i].rows = source->descriptions[i].rows;
      shapes[i].columns = source->descriptions[i].columns;
    }
  return shapes;
}

NpuStatus
npu_program_load (NpuDevice * device, NpuPrecision precision,
    const NpuProgramSource * source, NpuProgram ** program, NpuError * error)
{
  NpuTensorShape *shapes;
  NpuStatus status;

  if (!device || !source || !program)
    return npu_error_set (error, NPU_EINVAL,
        "program load: device, source and program must not be NULL");
  *program = NULL;
  if (precision == NPU_PRECISION_AUTO)
    precision = device->info.best_precision;
  if ((unsigned) precision >= NPU_PRECISIONS)
    return npu_error_set (error, NPU_EINVAL,
        "program load: unknown precision %d", (int) precision);
  if (!(device->info.precisions & 1u << precision))
    return npu_error_set (error, NPU_ENOTSUP,
        "device \"%s\" cannot compute in precision %d; use precision=auto",
        device->info.name, (int) precision);
  status = check_source (source, error);
  if (status != NPU_OK)
    return status;
  shapes = copy_shapes (source);
  if (!shapes)
    return npu_error_set (error, NPU_ENOMEM, "program load: out of memory");
  status = device->backend->program_load (device, precision, source, program,
      error);
  if (status != NPU_OK) {
    free (shapes);
    return status;
  }
  (*program)->device = npu_device_ref (device);
  (*program)->precision = precision;
  (*program)->tensors = source->tensors;
  (*program)->shapes = shapes;
  atomic_init (&(*program)->references, 1);
  return NPU_OK;
}

NpuProgram *
npu_program_ref (NpuProgram * program)
{
  atomic_fetch_add (&program->references, 1);
  return program;
}

void
npu_program_unref (NpuProgram * program)
{
  NpuDevice *device;

  if (!program || atomic_fetch_sub (&program->references, 1) > 1)
    return;
  device = program->device;
  free (program->shapes);
  device->backend->program_destroy (program);
  npu_device_unref (device);
}

size_t
npu_program_bytes (const NpuProgram * program)
{
  return program->bytes;
}

NpuPrecision
npu_program_precision (const NpuProgram * program)
{
  return program->precision;
}
