/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Models in use: a process-wide table of open models, and the background load
 * of each part. The table holds no references: who drops the last one takes
 * the model out of it.
 */
#include "model/model.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "device/deadline.h"
#include "model/model-weights.h"

typedef enum
{
  PART_UNTOUCHED,
  PART_LOADING,
  PART_LOADED,
  PART_FAILED,
} PartState;

typedef struct
{
  NpuModel *model;
  NpuModelPart which;
  NpuDevice *device;
  NpuPrecision precision;
  NpuModelWeights *weights;
  PartState state;              /* under the model's lock */
  pthread_t thread;
  bool joinable;
  NpuProgram *program;
  NpuError error;
} Part;

/* What tells a file from another that lies at the same path later, or has the
 * same digest at another path. */
typedef struct
{
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec changed;
} FileIdentity;

struct NpuModel
{
  NpuModel *next;               /* under the table's lock */
  unsigned references;          /* likewise */

  NpuModelFile *file;
  FileIdentity identity;
  NpuTokenizer *tokenizer;
  NpuDevice *device;
  NpuPrecision precision;

  pthread_mutex_t lock;
  pthread_cond_t loaded;
  atomic_bool canceled;
  Part parts[NPU_MODEL_PARTS];
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static NpuModel *table;

/* All zero for the embedded model, which is no file. */
static FileIdentity
identify (const NpuModelFile * file)
{
  FileIdentity identity = { 0 };
  struct stat status;

  if (strcmp (npu_model_file_path (file), NPU_MODEL_BUILTIN) != 0 &&
      stat (npu_model_file_path (file), &status) == 0)
    identity = (FileIdentity) {
      .device = status.st_dev,
      .inode = status.st_ino,
      .size = status.st_size,
      .changed = status.st_mtim,
    };
  return identity;
}

static bool
same_file (const NpuModel * model, const NpuModelFile * file,
    const FileIdentity * identity)
{
  return model->identity.device == identity->device &&
      model->identity.inode == identity->inode &&
      model->identity.size == identity->size &&
      model->identity.changed.tv_sec == identity->changed.tv_sec &&
      model->identity.changed.tv_nsec == identity->changed.tv_nsec &&
      strcmp (npu_model_file_digest (model->file),
      npu_model_file_digest (file)) == 0;
}

/* Returns a new reference to an open model; the table is locked. */
static NpuModel *
find_open (const NpuModelFile * file, const FileIdentity * identity,
    const NpuDevice * device, NpuPrecision precision)
{
  for (NpuModel * model = table; model; model = model->next) {
    if (model->device == device && model->precision == precision &&
        same_file (model, file, identity)) {
      model->references++;
      return model;
    }
  }
  return NULL;
}

static void
free_model (NpuModel * model)
{
  atomic_store (&model->canceled, true);
  for (int i = 0; i < NPU_MODEL_PARTS; i++) {
    if (model->parts[i].joinable)
      pthread_join (model->parts[i].thread, NULL);
    npu_program_unref (model->parts[i].program);
    npu_model_weights_free (model->parts[i].weights);
    npu_device_unref (model->parts[i].device);
  }
  npu_tokenizer_free (model->tokenizer);
  npu_model_file_unref (model->file);
  npu_device_unref (model->device);
  pthread_cond_destroy (&model->loaded);
  pthread_mutex_destroy (&model->lock);
  free (model);
}

/* Give @part the model's device, or the cpu device where a decoder needs
 * operations that the model's lacks. */
static NpuStatus
choose_device (Part * part, NpuError * error)
{
  const NpuModel *model = part->model;
  const uint32_t needed = 1u << NPU_OPERATION_CACHE_STORE |
      1u << NPU_OPERATION_EMBED | 1u << NPU_OPERATION_VOCABULARY_TOP_K;
  const NpuDeviceInfo *info = npu_device_info (model->device);
  NpuDeviceOptions options = { .threads = info->threads };
  NpuStatus status;

  if (part->which != NPU_MODEL_DECODER ||
      (info->operations & needed) == needed) {
    part->device = npu_device_ref (model->device);
    part->precision = model->precision;
    return NPU_OK;
  }
  status = npu_device_open ("cpu", &options, &part->device, error);
  if (status == NPU_OK)
    part->precision = npu_device_info (part->device)->best_precision;
  return status;
}

/* Takes over the reference to @file, also on failure. */
static NpuStatus
new_model (NpuModelFile * file, const FileIdentity * identity,
    NpuDevice * device, NpuPrecision precision, NpuModel ** out,
    NpuError * error)
{
  NpuModel *model = calloc (1, sizeof (*model));
  NpuStatus status;

  if (!model) {
    npu_model_file_unref (file);
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for a model");
  }
  model->references = 1;
  model->file = file;
  model->identity = *identity;
  model->device = npu_device_ref (device);
  model->precision = precision;
  pthread_mutex_init (&model->lock, NULL);
  npu_condition_init (&model->loaded);

  status = npu_tokenizer_new (file, &model->tokenizer, error);
  for (int i = 0; i < NPU_MODEL_PARTS && status == NPU_OK; i++) {
    model->parts[i].model = model;
    model->parts[i].which = (NpuModelPart) i;
    status = choose_device (&model->parts[i], error);
    if (status == NPU_OK)
      status = npu_model_weights_new (file, (NpuModelPart) i,
          &model->parts[i].weights, error);
  }
  if (status != NPU_OK) {
    free_model (model);
    return status;
  }
  *out = model;
  return NPU_OK;
}

static NpuStatus
resolve_precision (const NpuDevice * device, NpuPrecision * precision,
    NpuError * error)
{
  const NpuDeviceInfo *info = npu_device_info (device);
  static const char *const names[NPU_PRECISIONS] = {
    "auto", "float32", "bf16", "int8"
  };

  if ((unsigned) *precision >= NPU_PRECISIONS)
    return npu_error_set (error, NPU_EINVAL, "There is no precision %d",
        (int) *precision);
  if (*precision == NPU_PRECISION_AUTO)
    *precision = info->best_precision;
  if (!(info->precisions & (1u << *precision)))
    return npu_error_set (error, NPU_ENOTSUP, "The device '%s' (%s) cannot "
        "compute in %s: use precision=auto", info->name, info->description,
        names[*precision]);
  return NPU_OK;
}

NpuStatus
npu_model_open (const char *path, NpuDevice * device, NpuPrecision precision,
    NpuModel ** model, NpuError * error)
{
  NpuModelFile *file;
  FileIdentity identity;
  NpuStatus status;

  if (!device || !model)
    return npu_error_set (error, NPU_EINVAL, "A model needs a device");
  status = resolve_precision (device, &precision, error);
  if (status != NPU_OK)
    return status;
  status = npu_model_file_open (path, &file, error);
  if (status != NPU_OK)
    return status;

  identity = identify (file);
  /* Held while the vocabulary is read, so that two who open the same file at
   * once get the same model. */
  pthread_mutex_lock (&table_lock);
  *model = find_open (file, &identity, device, precision);
  if (*model) {
    npu_model_file_unref (file);
  } else {
    status = new_model (file, &identity, device, precision, model, error);
    if (status == NPU_OK) {
      (*model)->next = table;
      table = *model;
    }
  }
  pthread_mutex_unlock (&table_lock);
  return status;
}

NpuModel *
npu_model_ref (NpuModel * model)
{
  pthread_mutex_lock (&table_lock);
  model->references++;
  pthread_mutex_unlock (&table_lock);
  return model;
}

void
npu_model_unref (NpuModel * model)
{
  bool last;

  if (!model)
    return;
  pthread_mutex_lock (&table_lock);
  last = --model->references == 0;
  if (last) {
    NpuModel **link = &table;

    while (*link != model)
      link = &(*link)->next;
    *link = model->next;
  }
  pthread_mutex_unlock (&table_lock);
  if (last)
    free_model (model);
}

const NpuModelConfig *
npu_model_config (const NpuModel * model)
{
  return npu_model_file_config (model->file);
}

const NpuTokenizer *
npu_model_tokenizer (const NpuModel * model)
{
  return model->tokenizer;
}

NpuDevice *
npu_model_device (const NpuModel * model)
{
  return model->device;
}

NpuDevice *
npu_model_part_device (const NpuModel * model, NpuModelPart part)
{
  return model->parts[part].device;
}

NpuPrecision
npu_model_precision (const NpuModel * model)
{
  return model->precision;
}

const char *
npu_model_path (const NpuModel * model)
{
  return npu_model_file_path (model->file);
}

const char *
npu_model_digest (const NpuModel * model)
{
  return npu_model_file_digest (model->file);
}

static void *
load_part (void *user)
{
  Part *part = user;
  NpuModel *model = part->model;
  NpuProgramSource source;
  NpuProgram *program = NULL;
  NpuError error = { NPU_OK, "" };
  NpuStatus status;

  npu_model_weights_source (part->weights, &model->canceled, &source);
  status = npu_program_load (part->device, part->precision, &source,
      &program, &error);
  if (status != NPU_OK && !error.message[0])
    npu_error_set (&error, status, "The weights of '%s' could not be loaded: "
        "%s", npu_model_file_path (model->file), npu_status_name (status));

  pthread_mutex_lock (&model->lock);
  part->program = program;
  part->error = error;
  part->error.status = status;
  part->state = status == NPU_OK ? PART_LOADED : PART_FAILED;
  pthread_cond_broadcast (&model->loaded);
  pthread_mutex_unlock (&model->lock);
  return NULL;
}

/* Start the load if nobody did; the model is locked. */
static NpuStatus
start_load (Part * part, NpuError * error)
{
  if (part->state != PART_UNTOUCHED)
    return NPU_OK;
  if (pthread_create (&part->thread, NULL, load_part, part) != 0)
    return npu_error_set (error, NPU_ENOMEM,
        "No thread could be started to load the weights");
  part->joinable = true;
  part->state = PART_LOADING;
  return NPU_OK;
}

NpuStatus
npu_model_load (NpuModel * model, NpuModelPart part, NpuError * error)
{
  NpuStatus status;

  if ((unsigned) part >= NPU_MODEL_PARTS)
    return npu_error_set (error, NPU_EINVAL, "A model has no part %d", part);
  pthread_mutex_lock (&model->lock);
  status = start_load (&model->parts[part], error);
  pthread_mutex_unlock (&model->lock);
  return status;
}

NpuStatus
npu_model_wait (NpuModel * model, NpuModelPart part, uint64_t timeout_ns,
    NpuError * error)
{
  NpuDeadline deadline = npu_deadline_after (timeout_ns);
  Part *self;
  NpuStatus status;

  if ((unsigned) part >= NPU_MODEL_PARTS)
    return npu_error_set (error, NPU_EINVAL, "A model has no part %d", part);
  self = &model->parts[part];
  pthread_mutex_lock (&model->lock);
  status = start_load (self, error);
  while (status == NPU_OK && self->state == PART_LOADING) {
    if (timeout_ns == 0
        || !npu_deadline_wait (&deadline, &model->loaded, &model->lock))
      break;
  }
  if (status == NPU_OK && self->state == PART_LOADING)
    status = npu_error_set (error, NPU_ETIMEDOUT,
        "The weights are still being loaded");
  else if (status == NPU_OK && self->state == PART_FAILED) {
    status = self->error.status;
    if (error)
      *error = self->error;
  }
  pthread_mutex_unlock (&model->lock);
  return status;
}

const NpuProgram *
npu_model_program (const NpuModel * model, NpuModelPart part)
{
  /* The lock is no part of what is promised to be constant. */
  NpuModel *self = (NpuModel *) model;
  const NpuProgram *program;

  if ((unsigned) part >= NPU_MODEL_PARTS)
    return NULL;
  pthread_mutex_lock (&self->lock);
  program = self->parts[part].program;
  pthread_mutex_unlock (&self->lock);
  return program;
}

const NpuPartWeights *
npu_model_part_weights (const NpuModel * model, NpuModelPart part)
{
  return npu_model_weights_part (model->parts[part].weights);
}
