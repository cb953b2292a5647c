/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Hugging Face directories: numbers from config.json, alignment heads from
 * generation_config.json, tensors from safetensors files. The vocabulary's
 * files are mapped here and read by the tokenizer.
 */
#include "model/json-reader.h"
#include "model/model-config.h"
#include "model/model-file-private.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG "config.json"
#define GENERATION_CONFIG "generation_config.json"
#define WEIGHTS "model.safetensors"
#define WEIGHTS_INDEX "model.safetensors.index.json"

/* Properties that the architecture fixes: the value that it needs. */
static NpuStatus
check_architecture (const json_t * root, NpuError * error)
{
  const char *type = json_string_value (npu_json_member (root, "model_type"));
  const json_t *activation = npu_json_member (root, "activation_function");
  bool scale = false, tied = true;
  NpuStatus status;

  if (!type || strcmp (type, "whisper"))
    return npu_error_set (error, NPU_ENOTSUP, CONFIG ": model_type is "
        "'%.40s', only 'whisper' is supported", type ? type : "");
  if (activation && (!json_is_string (activation)
          || strcmp (json_string_value (activation), "gelu")))
    return npu_error_set (error, NPU_ENOTSUP, CONFIG ": only the "
        "activation_function 'gelu' is supported");
  status = npu_json_boolean (root, CONFIG, "scale_embedding", &scale, error);
  if (status == NPU_OK)
    status = npu_json_boolean (root, CONFIG, "tie_word_embeddings", &tied,
        error);
  if (status != NPU_OK)
    return status;
  if (scale || !tied)
    return npu_error_set (error, NPU_ENOTSUP, CONFIG ": %s is not supported",
        scale ? "scale_embedding" : "an output layer of its own "
        "(tie_word_embeddings false)");
  return NPU_OK;
}

/* Our own key: "gst_npu": {"name": ..., "context": ..., "context_step": ...} */
static NpuStatus
read_own_settings (NpuModelFile * file, const json_t * root, NpuError * error)
{
  NpuModelConfig *config = &file->config;
  const json_t *own = npu_json_member (root, "gst_npu");
  const json_t *name = npu_json_member (own, "name");
  const json_t *context = npu_json_member (own, "context");
  int64_t step = 1;

  config->context_step = 1;
  if (!own)
    return NPU_OK;
  if (!json_is_object (own))
    return npu_error_set (error, NPU_EFORMAT, CONFIG ": gst_npu is not an "
        "object");
  if (json_is_string (name) && json_string_length (name) > 0
      && json_string_length (name) < 100) {
    char *copy = strdup (json_string_value (name));

    if (!copy)
      return npu_error_set (error, NPU_ENOMEM, "out of memory");
    free (file->name);
    file->name = copy;
  }
  if (context) {
    const char *value = json_string_value (context);

    if (!value || (strcmp (value, "heard") && strcmp (value, "full")))
      return npu_error_set (error, NPU_EFORMAT, CONFIG ": gst_npu.context is "
          "neither 'heard' nor 'full'");
    config->heard_context = !strcmp (value, "heard");
  }
  if (npu_json_member (own, "context_step")) {
    NpuStatus status = npu_json_integer (own, CONFIG, "context_step", &step,
        error);

    if (status != NPU_OK)
      return status;
  }
  if (step < 1 || step > config->audio_context)
    return npu_error_set (error, NPU_EFORMAT, CONFIG ": gst_npu.context_step "
        "is %lld, it must be 1 to max_source_positions, which is %u",
        (long long) step, config->audio_context);
  config->context_step = (uint32_t) step;
  return NPU_OK;
}

static NpuStatus
read_config (NpuModelFile * file, NpuError * error)
{
  json_t *root;
  NpuStatus status;

  status = npu_json_load (file->source, CONFIG, &root, error);
  if (status != NPU_OK)
    return status;
  if (!root)
    return npu_error_set (error, NPU_EFORMAT, "the directory has no " CONFIG
        "; it must be a Hugging Face model directory");

  status = check_architecture (root, error);
  for (size_t i = 0; i < NPU_CONFIG_FIELDS && status == NPU_OK; i++) {
    const NpuConfigField *field = &npu_config_fields[i];
    int64_t value;

    status = npu_json_integer (root, CONFIG, field->json_key, &value, error);
    if (status == NPU_OK)
      status = npu_config_set_field (&file->config, field, field->json_key,
          value, error);
  }
  if (status == NPU_OK)
    status = npu_config_finish (&file->config, error);
  if (status == NPU_OK)
    status = read_own_settings (file, root, error);
  json_decref (root);
  return status;
}

/* Some distilled models carry the list of the model that they were distilled
 * from, with layers that they do not have: such a list says nothing about
 * theirs, and is dropped as a whole. */
static NpuStatus
read_alignment_heads (NpuModelFile * file, const json_t * heads,
    NpuError * error)
{
  NpuModelConfig *config = &file->config;
  size_t count = json_array_size (heads);
  bool foreign = false;

  if (!json_is_array (heads)
      || count > NPU_MODEL_MAX_LAYERS * NPU_MODEL_MAX_HEADS)
    return npu_error_set (error, NPU_EFORMAT, GENERATION_CONFIG
        ": alignment_heads is not an array of at most %d",
        NPU_MODEL_MAX_LAYERS * NPU_MODEL_MAX_HEADS);
  if (count == 0)
    return NPU_OK;
  file->alignment_heads = calloc (count, sizeof (*file->alignment_heads));
  if (!file->alignment_heads)
    return npu_error_set (error, NPU_ENOMEM, "out of memory");

  for (size_t i = 0; i < count; i++) {
    const json_t *pair = json_array_get (heads, i);
    json_int_t layer = json_integer_value (json_array_get (pair, 0));
    json_int_t head = json_integer_value (json_array_get (pair, 1));

    if (json_array_size (pair) != 2
        || !json_is_integer (json_array_get (pair, 0))
        || !json_is_integer (json_array_get (pair, 1))
        || layer < 0 || layer >= NPU_MODEL_MAX_LAYERS
        || head < 0 || head >= config->text_heads)
      return npu_error_set (error, NPU_EFORMAT, GENERATION_CONFIG
          ": alignment_heads[%zu] is not a layer and a head below %u", i,
          config->text_heads);
    foreign |= layer >= config->text_layers;
    file->alignment_heads[i].layer = (uint32_t) layer;
    file->alignment_heads[i].head = (uint32_t) head;
  }
  if (!foreign) {
    config->alignment_heads = file->alignment_heads;
    config->alignment_head_count = count;
  }
  return NPU_OK;
}

static NpuStatus
read_generation_config (NpuModelFile * file, NpuError * error)
{
  json_t *root, *heads;
  NpuStatus status;

  status = npu_json_load (file->source, GENERATION_CONFIG, &root, error);
  if (status != NPU_OK)
    return status;
  heads = root ? npu_json_member (root, "alignment_heads") : NULL;
  if (heads)
    status = read_alignment_heads (file, heads, error);
  else
    file->config.alignment_heads = npu_config_published_heads (&file->config,
        &file->config.alignment_head_count);
  json_decref (root);
  return status;
}

/* Loads every file that the index names, each once. */
static NpuStatus
load_shards (NpuModelFile * file, const json_t * index, NpuError * error)
{
  const json_t *map = npu_json_member (index, "weight_map");
  const char *tensor;
  json_t *value, *loaded;
  NpuStatus status = NPU_OK;

  if (!json_is_object (map))
    return npu_error_set (error, NPU_EFORMAT, WEIGHTS_INDEX ": weight_map is "
        "not an object");
  loaded = json_object ();
  if (!loaded)
    return npu_error_set (error, NPU_ENOMEM, "out of memory");
  json_object_foreach ((json_t *) map, tensor, value) {
    const char *name = json_string_value (value);
    const NpuBlob *blob;

    if (!name) {
      status = npu_error_set (error, NPU_EFORMAT, WEIGHTS_INDEX ": the file "
          "of tensor '%s' is not a string", tensor);
      break;
    }
    if (json_object_get (loaded, name))
      continue;
    status = npu_blob_source_load (file->source, name, &blob, error);
    if (status == NPU_OK && !blob)
      status = npu_error_set (error, NPU_EIO, WEIGHTS_INDEX " names the file "
          "%s, which is not there; download it too", name);
    if (status == NPU_OK)
      status = npu_safetensors_load (blob, &file->tensors, error);
    if (status == NPU_OK && json_object_set_new (loaded, name, json_true ()))
      status = npu_error_set (error, NPU_ENOMEM, "out of memory");
    if (status != NPU_OK)
      break;
  }
  json_decref (loaded);
  return status;
}

static NpuStatus
load_weights (NpuModelFile * file, NpuError * error)
{
  const NpuBlob *blob;
  json_t *index;
  NpuStatus status;

  status = npu_blob_source_load (file->source, WEIGHTS, &blob, error);
  if (status != NPU_OK)
    return status;
  if (blob)
    return npu_safetensors_load (blob, &file->tensors, error);

  status = npu_json_load (file->source, WEIGHTS_INDEX, &index, error);
  if (status != NPU_OK)
    return status;
  if (!index)
    return npu_error_set (error, NPU_EFORMAT, "the directory has neither "
        WEIGHTS " nor " WEIGHTS_INDEX "; save the model in this format "
        "(safe_serialization=True)");
  status = load_shards (file, index, error);
  json_decref (index);
  return status;
}

/* Older directories leave the encoder's fixed positions out. */
static void
compute_missing_positions (NpuTensorTable * table)
{
  static const char name[] = "encoder.embed_positions.weight";
  NpuTensor *tensor = npu_tensor_table_find_in_file (table, name,
      sizeof (name) - 1);

  if (tensor && !tensor->data)
    tensor->computed = true;
}

NpuStatus
npu_hugging_face_load (NpuModelFile * file, NpuError * error)
{
  static const char *const vocabulary_files[] = {
    "tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json",
  };
  const NpuBlob *blob;
  NpuStatus status;

  status = read_config (file, error);
  if (status == NPU_OK)
    status = read_generation_config (file, error);
  if (status == NPU_OK)
    status = npu_tensor_table_init (&file->tensors, &file->config,
        NPU_NAMES_HUGGING_FACE, error);
  if (status == NPU_OK)
    status = load_weights (file, error);
  if (status == NPU_OK) {
    compute_missing_positions (&file->tensors);
    status = npu_tensor_table_check_complete (&file->tensors, error);
  }
  for (size_t i = 0; i < sizeof (vocabulary_files)
      / sizeof (vocabulary_files[0]) && status == NPU_OK; i++)
    status = npu_blob_source_load (file->source, vocabulary_files[i], &blob,
        error);
  return status;
}
