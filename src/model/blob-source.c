/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Blobs by mmap(), or in the library itself.
 */
#include "model/blob-source.h"

#include "model/builtin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Far more than the parts of any published model. */
#define MAX_BLOBS 256

struct NpuBlobSource
{
  int directory;                /* file descriptor, or -1 */
  bool builtin;
  size_t count;
  NpuBlob blobs[MAX_BLOBS];
};

static NpuStatus
blob_source_new (NpuBlobSource ** source, NpuError * error)
{
  NpuBlobSource *self = calloc (1, sizeof (*self));

  if (!self)
    return npu_error_set (error, NPU_ENOMEM, "out of memory");
  self->directory = -1;
  *source = self;
  return NPU_OK;
}

static NpuStatus
blob_source_add (NpuBlobSource * self, const char *name, const void *data,
    size_t size, NpuError * error)
{
  char *copy;

  if (self->count == MAX_BLOBS)
    return npu_error_set (error, NPU_ENOTSUP, "the model consists of more "
        "than %d files", MAX_BLOBS);
  copy = strdup (name);
  if (!copy)
    return npu_error_set (error, NPU_ENOMEM, "out of memory");
  self->blobs[self->count++] = (NpuBlob) {
    copy, data, size
  };
  return NPU_OK;
}

/* Maps the open file; the mapping outlives @descriptor. */
static NpuStatus
blob_source_map (NpuBlobSource * self, int descriptor, const char *name,
    NpuError * error)
{
  struct stat status;
  void *data = NULL;
  size_t size;
  NpuStatus result;

  if (fstat (descriptor, &status) < 0)
    return npu_error_set (error, NPU_EIO, "%s: %s", name, strerror (errno));
  if (!S_ISREG (status.st_mode))
    return npu_error_set (error, NPU_EIO, "%s is not a regular file; "
        "name a ggml-*.bin file or a Hugging Face directory", name);
  if ((uintmax_t) status.st_size > PTRDIFF_MAX)
    return npu_error_set (error, NPU_ENOTSUP, "%s is too large for this "
        "machine's address space", name);

  size = (size_t) status.st_size;
  if (size > 0) {
    data = mmap (NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED)
      return npu_error_set (error, NPU_EIO, "%s cannot be mapped: %s", name,
          strerror (errno));
    /* the checks touch a few bytes in many places */
    madvise (data, size, MADV_RANDOM);
  }
  result = blob_source_add (self, name, data, size, error);
  if (result != NPU_OK && size > 0)
    munmap (data, size);
  return result;
}

NpuStatus
npu_blob_source_open (const char *path, NpuBlobSource ** source,
    NpuError * error)
{
  /* O_NONBLOCK: opening a FIFO must not wait for its writer */
  int descriptor = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status;
  NpuStatus result;

  *source = NULL;
  if (descriptor < 0 || fstat (descriptor, &status) < 0) {
    result = npu_error_set (error, NPU_EIO, "cannot be opened: %s; "
        "check the path and who may read it, or set none, in GST_NPU_MODEL "
        "neither, for the built-in one", strerror (errno));
    if (descriptor >= 0)
      close (descriptor);
    return result;
  }

  result = blob_source_new (source, error);
  if (result == NPU_OK && S_ISDIR (status.st_mode)) {
    (*source)->directory = descriptor;
    return NPU_OK;
  }
  if (result == NPU_OK)
    result = blob_source_map (*source, descriptor, "the file", error);
  close (descriptor);
  if (result != NPU_OK) {
    npu_blob_source_free (*source);
    *source = NULL;
  }
  return result;
}

NpuStatus
npu_blob_source_open_builtin (NpuBlobSource ** source, NpuError * error)
{
  NpuStatus result;

  *source = NULL;
  if (npu_builtin_file_count == 0)
    return npu_error_set (error, NPU_ENOTSUP, "this build of the library has "
        "no built-in model; name a model file or put one into "
        "~/.local/share/gst-npu/models/default");

  result = blob_source_new (source, error);
  if (result != NPU_OK)
    return result;
  (*source)->builtin = true;
  for (size_t i = 0; i < npu_builtin_file_count && result == NPU_OK; i++) {
    const NpuBuiltinFile *file = &npu_builtin_files[i];

    result = blob_source_add (*source, file->name, file->data,
        (size_t) (file->end - file->data), error);
  }
  if (result != NPU_OK) {
    npu_blob_source_free (*source);
    *source = NULL;
  }
  return result;
}

void
npu_blob_source_free (NpuBlobSource * self)
{
  if (!self)
    return;
  for (size_t i = 0; i < self->count; i++) {
    if (!self->builtin && self->blobs[i].size > 0)
      munmap ((void *) self->blobs[i].data, self->blobs[i].size);
    free (self->blobs[i].name);
  }
  if (self->directory >= 0)
    close (self->directory);
  free (self);
}

bool
npu_blob_source_is_directory (const NpuBlobSource * self)
{
  return self->builtin || self->directory >= 0;
}

/* A file that is not there is no error, but a link to nowhere is one. */
static NpuStatus
check_link (const NpuBlobSource * self, const char *name, NpuError * error)
{
  struct stat status;

  if (fstatat (self->directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0
      || !S_ISLNK (status.st_mode))
    return NPU_OK;
  return npu_error_set (error, NPU_EIO, "%s is a link to a file that is not "
      "there (a Hugging Face cache that was cleaned up or copied in part has "
      "such links); download the model again", name);
}

NpuStatus
npu_blob_source_load (NpuBlobSource * self, const char *name,
    const NpuBlob ** blob, NpuError * error)
{
  int descriptor;
  NpuStatus result;

  *blob = npu_blob_source_find (self, name);
  if (*blob || self->builtin)
    return NPU_OK;

  if (!*name || strchr (name, '/') || !strcmp (name, ".")
      || !strcmp (name, ".."))
    return npu_error_set (error, NPU_EFORMAT, "'%s' is not a plain file name "
        "in the model's directory", name);

  descriptor = openat (self->directory, name,
      O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    if (errno == ENOENT)
      return check_link (self, name, error);
    return npu_error_set (error, NPU_EIO, "%s cannot be opened: %s; "
        "check who may read it", name, strerror (errno));
  }
  result = blob_source_map (self, descriptor, name, error);
  close (descriptor);
  if (result == NPU_OK)
    *blob = &self->blobs[self->count - 1];
  return result;
}

void
npu_blob_source_expect_reading (NpuBlobSource * self)
{
  for (size_t i = 0; i < self->count && !self->builtin; i++) {
    if (self->blobs[i].size > 0)
      madvise ((void *) self->blobs[i].data, self->blobs[i].size, MADV_NORMAL);
  }
}

const NpuBlob *
npu_blob_source_find (const NpuBlobSource * self, const char *name)
{
  for (size_t i = 0; i < self->count; i++) {
    if (!strcmp (self->blobs[i].name, name))
      return &self->blobs[i];
  }
  return NULL;
}

size_t
npu_blob_source_count (const NpuBlobSource * self)
{
  return self->count;
}

const NpuBlob *
npu_blob_source_at (const NpuBlobSource * self, size_t index)
{
  return &self->blobs[index];
}
