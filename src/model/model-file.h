/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Model files of Whisper's architecture: a ggml file (whisper.cpp's format),
 * a Hugging Face directory, or the model that is embedded in the library.
 * Opening maps the file and checks everything but the weights' values;
 * weights are read and dequantised on demand. Nothing here knows devices, and
 * the vocabulary is read by tokenizer.h.
 *
 * Files are mapped, not copied. A file that another program makes shorter
 * while it is mapped raises SIGBUS on the next read, as with every mapped
 * file: replace models by renaming a complete new file over the old one.
 */
#ifndef NPU_MODEL_MODEL_FILE_H
#define NPU_MODEL_MODEL_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct NpuModelFile NpuModelFile;

/* The path that means the embedded model; write "./builtin" for a file of
 * this name. */
#define NPU_MODEL_BUILTIN "builtin"

/* The environment variable that names the model when nothing else does. */
#define NPU_MODEL_ENVIRONMENT "GST_NPU_MODEL"

/* What the numbers of a model may be; anything beyond is refused when the
 * file is opened, so that users of NpuModelConfig need no checks for
 * overflow. The largest published model (large-v3) has width 1280, 20 heads,
 * 32 layers and 51866 tokens. */
#define NPU_MODEL_MAX_AUDIO_CONTEXT 4096
#define NPU_MODEL_MAX_TEXT_CONTEXT 4096
#define NPU_MODEL_MAX_WIDTH 4096
#define NPU_MODEL_MAX_HEADS 64
#define NPU_MODEL_MAX_HEAD_SIZE 128
#define NPU_MODEL_HEAD_SIZE_STEP 16
#define NPU_MODEL_MAX_LAYERS 64
#define NPU_MODEL_MAX_FEED_FORWARD 16384
#define NPU_MODEL_MAX_VOCABULARY 262144

/* A head of the text decoder's cross attention that follows the audio. */
typedef struct
{
  uint32_t layer;               /* 0 ... text_layers - 1 */
  uint32_t head;                /* 0 ... text_heads - 1 */
} NpuAlignmentHead;

/* All numbers are checked against the limits above and against the shapes of
 * the tensors. Encoder and decoder have the same width and head size. */
typedef struct
{
  const char *name;             /* for people: "tiny.en", "commands-en" */

  uint32_t bands;               /* log-mel bands, 80 or 128 */
  uint32_t audio_context;       /* encoder positions of a whole window; a
                                 * position is 2 frames, 20 ms: 1500 is 30 s */
  uint32_t audio_width;
  uint32_t audio_heads;
  uint32_t audio_layers;
  uint32_t audio_feed_forward;

  uint32_t text_context;        /* tokens, prompt included */
  uint32_t text_width;          /* equals audio_width */
  uint32_t text_heads;
  uint32_t text_layers;
  uint32_t text_feed_forward;

  uint32_t vocabulary;          /* rows of decoder.token_embedding.weight */
  uint32_t head_size;           /* width / heads of both sides: a multiple of
                                 * NPU_MODEL_HEAD_SIZE_STEP */

  bool heard_context;           /* trained at shorter contexts than
                                 * audio_context too, so that context=heard
                                 * is safe */
  uint32_t context_step;        /* shortened contexts are multiples of this
                                 * many positions (or audio_context itself);
                                 * 1 where the model does not say */

  const NpuAlignmentHead *alignment_heads;      /* NULL when unknown: in
                                 * most distilled and fine-tuned models */
  size_t alignment_head_count;
} NpuModelConfig;

typedef enum
{
  NPU_TENSOR_F32,
  NPU_TENSOR_F16,
  NPU_TENSOR_BF16,
  NPU_TENSOR_Q4_0,
  NPU_TENSOR_Q4_1,
  NPU_TENSOR_Q5_0,
  NPU_TENSOR_Q5_1,
  NPU_TENSOR_Q8_0,
  NPU_TENSOR_TYPES,
} NpuTensorType;

#define NPU_TENSOR_MAX_DIMENSIONS 3

/* Row-major, outermost dimension first, in both file formats. */
typedef struct
{
  const char *name;             /* OpenAI's, see npu_model_file_tensor() */
  NpuTensorType type;           /* in the file */
  uint32_t dimensions;          /* 1 ... NPU_TENSOR_MAX_DIMENSIONS */
  size_t shape[NPU_TENSOR_MAX_DIMENSIONS];      /* unused ones are 1 */
  size_t rows;                  /* shape[0], or 1 for a vector */
  size_t columns;               /* elements of a row: the product of the other
                                 * dimensions, or shape[0] for a vector */
  size_t size;                  /* bytes in the file */
} NpuTensorInfo;

/**
 * npu_model_file_open:
 * Open the model at @path: map it, parse its header, and check the name,
 * type, shape, place and size of every tensor: none missing, none twice.
 * Reads no weights, except a few samples for the digest.
 *
 * @path   a ggml file, a Hugging Face directory (config.json,
 *         model.safetensors or model.safetensors.index.json with its parts,
 *         generation_config.json if there is one), NPU_MODEL_BUILTIN, or NULL
 *         for npu_model_file_open_default()
 * @file   out, with one reference that belongs to the caller; NULL on failure
 * @error  may be NULL; names the path, the field and a remedy
 *
 * Returns NPU_OK; NPU_EIO when @path cannot be opened; NPU_EFORMAT when it is
 * not a model, is cut short, or contradicts itself; NPU_ENOTSUP when it is
 * valid but of a kind that is not supported; NPU_ENOMEM. Any thread; blocks
 * on the disk.
 */
NPU_API NpuStatus npu_model_file_open (const char *path, NpuModelFile ** file,
    NpuError * error);

/**
 * npu_model_file_open_builtin:
 * Open the model that is embedded in the library, like npu_model_file_open().
 *
 * Returns NPU_ENOTSUP too when the library was built without one.
 */
NPU_API NpuStatus npu_model_file_open_builtin (NpuModelFile ** file,
    NpuError * error);

/**
 * npu_model_file_open_default:
 * Open the model to use when none was named: the first of
 *  1. what GST_NPU_MODEL names, where it is set and not empty;
 *  2. gst-npu/models/default, then gst-npu/models/default.bin, in
 *     $XDG_DATA_HOME (where unset: $HOME/.local/share), each a ggml file, a
 *     directory, or a symbolic link to one;
 *  3. the same names in each of $XDG_DATA_DIRS (where unset:
 *     /usr/local/share:/usr/share);
 *  4. the embedded model.
 * The first that exists is taken: where it is unusable that is an error which
 * says where the path came from, never a reason to look further.
 *
 * Returns as npu_model_file_open(). Any thread that may call getenv().
 */
NPU_API NpuStatus npu_model_file_open_default (NpuModelFile ** file,
    NpuError * error);

/**
 * npu_model_file_ref:
 * Returns @file with one reference more. Any thread.
 */
NPU_API NpuModelFile *npu_model_file_ref (NpuModelFile * file);

/**
 * npu_model_file_unref:
 * Give a reference back; the last one unmaps the file and frees everything
 * that was got from it. @file may be NULL. Any thread.
 */
NPU_API void npu_model_file_unref (NpuModelFile * file);

/**
 * npu_model_file_path:
 * Returns where the model came from: the path as opened, or
 * NPU_MODEL_BUILTIN. Lives as long as @file. Any thread.
 */
NPU_API const char *npu_model_file_path (const NpuModelFile * file);

/**
 * npu_model_file_config:
 * Returns the model's numbers. Lives as long as @file. Any thread.
 */
NPU_API const NpuModelConfig *npu_model_file_config (const NpuModelFile *
    file);

/**
 * npu_model_file_digest:
 * Returns 16 hexadecimal digits that stand for the model in caps and in
 * process-wide tables: a hash over the numbers, the tensors' names, types and
 * shapes, and samples from every tensor's data. The same content gives the
 * same digest wherever it lies; models that differ only in a few single
 * weights may share one. Not a cryptographic hash. Lives as long as @file.
 * Any thread.
 */
NPU_API const char *npu_model_file_digest (const NpuModelFile * file);

/**
 * npu_model_file_tensor:
 * Look a tensor up by OpenAI's name; width is w, feed-forward f, layer i:
 *
 *   encoder.conv1.weight [w, bands, 3]   encoder.conv1.bias [w]
 *   encoder.conv2.weight [w, w, 3]       encoder.conv2.bias [w]
 *   encoder.positional_embedding [audio_context, w]
 *   encoder.blocks.i.BLOCK
 *   encoder.ln_post.weight, .bias [w]
 *   decoder.token_embedding.weight [vocabulary, w]  (also the output layer)
 *   decoder.positional_embedding [text_context, w]
 *   decoder.blocks.i.BLOCK, and with cross_attn in place of attn
 *   decoder.ln.weight, .bias [w]
 *
 * where BLOCK is
 *   attn_ln.weight, .bias [w]            attn.query.weight [w, w], .bias [w]
 *   attn.key.weight [w, w] (no bias)     attn.value.weight [w, w], .bias [w]
 *   attn.out.weight [w, w], .bias [w]    mlp_ln.weight, .bias [w]
 *   mlp.0.weight [f, w], .bias [f]       mlp.2.weight [w, f], .bias [w]
 *
 * Matrices are [outputs, inputs]: y = x * transposed (weight) + bias. All of
 * these exist in every opened file. A Hugging Face directory that leaves the
 * encoder's positions out gets computed sinusoids.
 *
 * Returns NULL only for a name that is not in this list. The result lives as
 * long as @file. Any thread; never blocks, never allocates.
 */
NPU_API const NpuTensorInfo *npu_model_file_tensor (const NpuModelFile * file,
    const char *name);

/**
 * npu_model_file_tensor_count, npu_model_file_tensor_at:
 * The tensors in the order of their names; @index must be below the count.
 * Any thread.
 */
NPU_API size_t npu_model_file_tensor_count (const NpuModelFile * file);
NPU_API const NpuTensorInfo *npu_model_file_tensor_at (const NpuModelFile *
    file, size_t index);

/**
 * npu_model_file_read_rows:
 * Read @rows rows from @first_row on as float32. Values are what the file
 * says, infinities and NaN included.
 *
 * @tensor  from npu_model_file_tensor() of the same @file
 * @out     rows * tensor->columns floats, row after row
 *
 * Returns NPU_OK, or NPU_EINVAL where the rows lie outside the tensor. Any
 * thread, several at once; blocks on the disk when the pages are not in
 * memory, never allocates.
 */
NPU_API NpuStatus npu_model_file_read_rows (const NpuModelFile * file,
    const NpuTensorInfo * tensor, size_t first_row, size_t rows, float *out);

/**
 * npu_tensor_type_name:
 * Returns "f32", "q5_0" and so on; never NULL. Any thread.
 */
NPU_API const char *npu_tensor_type_name (NpuTensorType type);

#endif
