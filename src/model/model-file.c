/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The model file as its users see it; the formats are read by ggml-file.c and
 * hugging-face.c.
 */
#include "model/model-file-private.h"

#include "model/builtin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A path that is longer is shown from its end, to leave room for the reason. */
#define SHOWN_PATH 180

/* The digest reads blobs and tensors up to this size whole; of longer ones it
 * takes pieces, spread evenly. */
#define DIGEST_WHOLE 16384
#define DIGEST_PIECES 3
#define DIGEST_PIECE 64

/* Bytes of the UTF-8 character at @text, or 0 if it is no valid one. */
static size_t
character_length (const unsigned char *text)
{
  unsigned first = text[0];
  size_t length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2
      : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4
      : 0;

  for (size_t i = 1; i < length; i++) {
    if ((text[i] & 0xc0) != 0x80)
      return 0;
  }
  if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f)
      || (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f))
    return 0;
  return length;
}

void
npu_model_make_printable (char *text)
{
  while (*text) {
    size_t length = character_length ((unsigned char *) text);

    if (length == 0 || (unsigned char) *text < ' ' || *text == 0x7f) {
      *text = '?';
      length = 1;
    }
    text += length;
  }
}

/* What to do where the message itself does not say it behind a semicolon. */
static const char *
remedy (NpuStatus status, const char *message)
{
  if (strchr (message, ';'))
    return "";
  switch (status) {
    case NPU_EFORMAT:
      return "; the file is damaged or no model of Whisper: download or convert "
          "it again";
    case NPU_ENOTSUP:
      return "; use a model of one of Whisper's shapes, tiny to large-v3-turbo";
    case NPU_ENOMEM:
      return "; close other programs or use a smaller model";
    default:
      return "; check the file and the medium that it is on";
  }
}

NpuStatus
npu_model_error_prefix (NpuError * error, NpuStatus status, const char *path)
{
  char message[NPU_ERROR_LENGTH];
  size_t length = strlen (path);
  bool cut = length > SHOWN_PATH;

  if (!error)
    return status;
  memcpy (message, error->message, sizeof (message));
  npu_error_set (error, status, "model '%s%s': %s%s", cut ? "..." : "",
      cut ? path + length - SHOWN_PATH : path, message, remedy (status,
          message));
  npu_model_make_printable (error->message);
  return status;
}

static uint64_t
digest_bytes (uint64_t hash, const void *data, size_t size)
{
  const uint8_t *bytes = data;

  /* FNV-1a */
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

static uint64_t
digest_number (uint64_t hash, uint64_t number)
{
  uint8_t bytes[8];

  for (size_t i = 0; i < sizeof (bytes); i++)
    bytes[i] = (uint8_t) (number >> 8 * i);
  return digest_bytes (hash, bytes, sizeof (bytes));
}

static uint64_t
digest_samples (uint64_t hash, const uint8_t * data, size_t size)
{
  size_t step;

  hash = digest_number (hash, size);
  if (size <= DIGEST_WHOLE)
    return digest_bytes (hash, data, size);
  step = (size - DIGEST_PIECE) / (DIGEST_PIECES - 1);
  for (size_t i = 0; i < DIGEST_PIECES; i++)
    hash = digest_bytes (hash, data + i * step, DIGEST_PIECE);
  return hash;
}

static void
compute_digest (NpuModelFile * file)
{
  uint64_t hash = 0xcbf29ce484222325u;

  for (size_t i = 0; i < npu_blob_source_count (file->source); i++) {
    const NpuBlob *blob = npu_blob_source_at (file->source, i);

    hash = digest_samples (hash, blob->data, blob->size);
  }
  hash = digest_bytes (hash, file->vocabulary.data, file->vocabulary.size);
  for (size_t i = 0; i < file->tensors.count; i++) {
    const NpuTensor *tensor = &file->tensors.tensors[i];
    const NpuTensorInfo *info = &tensor->info;

    hash = digest_bytes (hash, info->name, strlen (info->name));
    hash = digest_number (hash, info->type);
    hash = digest_number (hash, info->rows);
    hash = digest_number (hash, info->columns);
    hash = digest_samples (hash, tensor->data, info->size);
  }
  snprintf (file->digest, sizeof (file->digest), "%016llx",
      (unsigned long long) hash);
}

/* "/models/ggml-tiny.en.bin" is "tiny.en", "/models/whisper-tiny/" is
 * "whisper-tiny". */
static char *
name_of_path (const char *path)
{
  static const char prefix[] = "ggml-", suffix[] = ".bin";
  size_t end = strlen (path), start;

  while (end > 1 && path[end - 1] == '/')
    end--;
  for (start = end; start > 0 && path[start - 1] != '/';)
    start--;
  if (end - start > strlen (suffix)
      && !strncmp (path + end - strlen (suffix), suffix, strlen (suffix)))
    end -= strlen (suffix);
  if (end - start > strlen (prefix)
      && !strncmp (path + start, prefix, strlen (prefix)))
    start += strlen (prefix);
  return strndup (path + start, end - start);
}

/* Takes over @source, also on failure. */
static NpuStatus
open_source (NpuBlobSource * source, const char *path, const char *name,
    NpuModelFile ** file, NpuError * error)
{
  NpuModelFile *self = calloc (1, sizeof (*self));
  NpuStatus status = NPU_OK;

  if (!self) {
    npu_blob_source_free (source);
    return npu_error_set (error, NPU_ENOMEM, "out of memory");
  }
  atomic_init (&self->references, 1);
  self->source = source;
  self->path = strdup (path);
  self->name = name ? strdup (name) : name_of_path (path);
  if (!self->path || !self->name)
    status = npu_error_set (error, NPU_ENOMEM, "out of memory");

  self->ggml = !npu_blob_source_is_directory (source);
  if (status == NPU_OK)
    status = self->ggml ? npu_ggml_load (self, error)
        : npu_hugging_face_load (self, error);
  if (status != NPU_OK) {
    npu_model_file_unref (self);
    return status;
  }
  npu_model_make_printable (self->name);
  self->config.name = self->name;
  compute_digest (self);
  npu_blob_source_expect_reading (source);
  *file = self;
  return NPU_OK;
}

NpuStatus
npu_model_file_open (const char *path, NpuModelFile ** file, NpuError * error)
{
  NpuBlobSource *source;
  NpuStatus status;

  *file = NULL;
  if (!path)
    return npu_model_file_open_default (file, error);
  if (!strcmp (path, NPU_MODEL_BUILTIN))
    return npu_model_file_open_builtin (file, error);

  status = npu_blob_source_open (path, &source, error);
  if (status == NPU_OK)
    status = open_source (source, path, NULL, file, error);
  if (status != NPU_OK)
    npu_model_error_prefix (error, status, path);
  return status;
}

NpuStatus
npu_model_file_open_builtin (NpuModelFile ** file, NpuError * error)
{
  NpuBlobSource *source;
  NpuStatus status;

  *file = NULL;
  status = npu_blob_source_open_builtin (&source, error);
  if (status == NPU_OK)
    status = open_source (source, NPU_MODEL_BUILTIN, npu_builtin_name, file,
        error);
  if (status != NPU_OK)
    npu_model_error_prefix (error, status, NPU_MODEL_BUILTIN);
  return status;
}

NpuModelFile *
npu_model_file_ref (NpuModelFile * file)
{
  atomic_fetch_add_explicit (&file->references, 1, memory_order_relaxed);
  return file;
}

void
npu_model_file_unref (NpuModelFile * file)
{
  if (!file || atomic_fetch_sub_explicit (&file->references, 1,
          memory_order_acq_rel) > 1)
    return;
  npu_tensor_table_clear (&file->tensors);
  npu_blob_source_free (file->source);
  free (file->alignment_heads);
  free (file->path);
  free (file->name);
  free (file);
}

const char *
npu_model_file_path (const NpuModelFile * file)
{
  return file->path;
}

const NpuModelConfig *
npu_model_file_config (const NpuModelFile * file)
{
  return &file->config;
}

const char *
npu_model_file_digest (const NpuModelFile * file)
{
  return file->digest;
}

const NpuTensorInfo *
npu_model_file_tensor (const NpuModelFile * file, const char *name)
{
  const NpuTensor *tensor = npu_tensor_table_find (&file->tensors, name);

  return tensor ? &tensor->info : NULL;
}

size_t
npu_model_file_tensor_count (const NpuModelFile * file)
{
  return file->tensors.count;
}

const NpuTensorInfo *
npu_model_file_tensor_at (const NpuModelFile * file, size_t index)
{
  return &file->tensors.tensors[index].info;
}

NpuStatus
npu_model_file_read_rows (const NpuModelFile * file,
    const NpuTensorInfo * tensor, size_t first_row, size_t rows, float *out)
{
  const NpuTensor *first = file->tensors.tensors;
  uintptr_t offset = (uintptr_t) tensor - (uintptr_t) first;

  if (offset % sizeof (*first) || offset / sizeof (*first)
      >= file->tensors.count)
    return NPU_EINVAL;
  if (first_row > tensor->rows || rows > tensor->rows - first_row)
    return NPU_EINVAL;
  npu_tensor_read_rows (first + offset / sizeof (*first), first_row, rows,
      out);
  return NPU_OK;
}
