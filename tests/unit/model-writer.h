/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Small models with random weights, written as ggml files and as Hugging Face
 * directories. Knows the formats by itself: it shares no code with src/model,
 * so that it can serve as its reference.
 */
#ifndef TESTS_UNIT_MODEL_WRITER_H
#define TESTS_UNIT_MODEL_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum
{
  WRITE_F32,
  WRITE_F16,
  WRITE_BF16,
  WRITE_Q4_0,
  WRITE_Q4_1,
  WRITE_Q5_0,
  WRITE_Q5_1,
  WRITE_Q8_0,
  WRITE_TYPES,
} WriteType;

/* The feed-forward size is 4 * width, as ggml's format implies. */
typedef struct
{
  uint32_t bands, audio_context, width, heads, audio_layers;
  uint32_t text_context, text_layers, vocabulary;
  WriteType type;               /* of matrices; vectors, positions and
                                 * convolutions are at most f32, f16 or bf16 */
  uint64_t seed;
  bool sparse;                  /* weights are a hole in the file: for shapes
                                 * of real size; only to be saved */
} ModelSpec;

/* Width 32, 2 heads, 1 + 1 layers, 4 positions, 40 tokens, f32, seed 1. */
extern const ModelSpec model_spec_small;

typedef struct
{
  char ggml_name[64];
  char hugging_face_name[96];
  uint32_t dimensions;
  uint32_t shape[3];            /* outermost first */
  size_t elements;
  WriteType type;
  uint8_t *bytes;
  size_t size;
} WrittenTensor;

typedef struct
{
  ModelSpec spec;
  WrittenTensor *tensors;
  size_t count;
} WrittenModel;

typedef struct
{
  uint8_t *data;
  size_t size, capacity;
} Buffer;

/* Where things lie in a ggml file. */
typedef struct
{
  size_t vocabulary;            /* its number of tokens */
  size_t first_tensor;
  size_t *tensors;              /* heads; count of them as in the model */
  size_t *tensor_data;
} GgmlLayout;

void buffer_add (Buffer * buffer, const void *data, size_t size);
void buffer_add_u32 (Buffer * buffer, uint32_t value);
void buffer_clear (Buffer * buffer);
void buffer_set_u32 (Buffer * buffer, size_t offset, uint32_t value);

WrittenModel *written_model_new (const ModelSpec * spec);
void written_model_free (WrittenModel * model);
WrittenTensor *written_model_find (const WrittenModel * model,
    const char *ggml_name);

/* The value of one element, by arithmetic in double precision. */
float written_tensor_value (const WrittenTensor * tensor, size_t index);

/* The whole file; @layout may be NULL, else give it to ggml_layout_clear(). */
Buffer written_model_ggml (const WrittenModel * model, GgmlLayout * layout);
void written_model_save_sparse_ggml (const WrittenModel * model,
    const char *path, const Buffer * vocabulary);
void ggml_layout_clear (GgmlLayout * layout);

/* A safetensors file of the tensors for which i % parts == part. */
Buffer written_model_safetensors (const WrittenModel * model, size_t part,
    size_t parts);

/* Texts of the small vocabulary, in the forms of the formats; to be freed. */
char *written_model_config_json (const WrittenModel * model);
char *written_model_generation_config_json (const WrittenModel * model);
char *written_model_tokenizer_json (const WrittenModel * model);
char *written_model_vocab_json (const WrittenModel * model);
char *written_model_added_tokens_json (const WrittenModel * model);

/* All files of a Hugging Face directory. */
void written_model_save (const WrittenModel * model, const char *directory);

/* A folder of the test's own; removed with everything in it at exit. */
const char *test_folder (void);
/* "FOLDER/name"; the result is valid until the 8th call from now. */
const char *test_path (const char *name);
/* The same in a sub-folder of the test's folder, which is made if needed. */
const char *test_path_in (const char *folder, const char *name);
void write_file (const char *path, const void *data, size_t size);
void write_text (const char *path, const char *text);

/* Repeats for a seed, on every machine. */
uint64_t random_next (uint64_t * state);

/* Special tokens of the small vocabulary. */
enum
{
  SMALL_END_OF_TEXT,
  SMALL_START_OF_TRANSCRIPT,
  SMALL_ENGLISH,
  SMALL_GERMAN,
  SMALL_TRANSLATE,
  SMALL_TRANSCRIBE,
  SMALL_START_OF_LM,
  SMALL_START_OF_PREVIOUS,
  SMALL_NO_SPEECH,
  SMALL_NO_TIMESTAMPS,
  SMALL_FIRST_TIMESTAMP,        /* audio_context + 1 of them */
  SMALL_WORDS = 16,
};

typedef struct
{
  const char *bytes;
  const char *byte_level;       /* in JSON */
} SmallWord;

#define SMALL_WORD_COUNT 10
extern const SmallWord small_words[SMALL_WORD_COUNT];

#endif
