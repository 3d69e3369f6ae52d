-- Rows of many runs, made within the database: `bulk.py` fills the table `shape` and runs this.
-- Rows of a step follow each other, as a run writes them. Texts are made of hashes, so that they
-- do not compress better than real ones; numbers are made of hashes, so that two fills are equal.

CREATE FUNCTION pg_temp.share(text) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
  AS $$ SELECT (hashtext($1) & 65535) / 65535.0 $$;
-- A JSON object of about `size` bytes.
CREATE FUNCTION pg_temp.filler(seed text, size int) RETURNS jsonb LANGUAGE sql IMMUTABLE
  AS $$ SELECT jsonb_object_agg('key_' || i, md5(seed || i)) FROM generate_series(1, size / 48) i $$;

INSERT INTO experiments (id, name, created_at)
SELECT md5('experiment' || n)::uuid, 'experiment-' || n, now() - interval '30 days'
FROM generate_series(0, 9) n;

INSERT INTO runs (run_id, experiment_id, job_type, name, namespace, task, model, config,
  config_hash, seed, dataset_key, parents, git_sha, manifest, created_at, updated_at)
SELECT run_id, CASE WHEN n % 11 < 10 THEN md5('experiment' || n % 11)::uuid END, job_type,
  job_type || '-' || n, 'team-' || n % 5, 'tenyson.examples.wordle.wordle_task:WordleTask',
  'some-lab/some-model-1.7B',
  pg_temp.filler('config' || n, 3000)
    || jsonb_build_object('training', jsonb_build_object('learning_rate', 1e-5 * (1 + n % 7))),
  md5('config' || n), n, 'hcd_baseline-v1',
  CASE WHEN parent IS NULL THEN '[]' ELSE jsonb_build_array(parent) END, md5('git' || n),
  pg_temp.filler('manifest' || n, 6000), began, began
FROM shape;

-- Of every third run the first attempt was preempted at half its steps; of the newest three the
-- last one is still open. A cost is of all attempts so far.
INSERT INTO attempts (id, run_id, attempt, created_at, started_at, ended_at, status, exit_code,
  stop_reason, global_step, resumed_from_step, wandb_url, phase_seconds, tokens, cost, peak_memory,
  hardware, metrics, failure, result, warnings)
SELECT md5('attempt' || n || '/' || a)::uuid, run_id, a, ended, started,
  CASE WHEN NOT is_open THEN ended END, status,
  CASE status WHEN 'success' THEN 0 WHEN 'failed' THEN 70 WHEN 'preempted' THEN 75 END,
  CASE status WHEN 'preempted' THEN 'SIGTERM' END, CASE WHEN NOT is_open THEN last_step END,
  CASE WHEN a > 0 THEN steps / 2 END, NULL,
  '{"load": 40, "generate": 900, "forward_backward": 700, "save": 12, "eval": 30}',
  jsonb_build_object('prompt', steps * 1000,
    'completion', CASE job_type WHEN 'sft' THEN 0 ELSE steps * 4000 END,
    'trained', CASE job_type WHEN 'eval' THEN 0 ELSE steps * 4000 END),
  jsonb_build_object('currency', 'USD', 'rate', 4.0, 'amount', round(last_step * 20 / 900.0, 2)),
  '{"rss": 4000000000}', '{"gpus": ["H200"], "cores": 16}',
  jsonb_build_object('reward', pg_temp.share('reward' || n)),
  CASE status WHEN 'failed' THEN '{"type": "JobError", "message": "a reward raised"}'::jsonb END,
  pg_temp.filler('result' || n, 4000), '[]'
FROM (
  SELECT s.*, a,
    began + CASE WHEN a = 0 THEN 0 ELSE steps / 2 END * every AS started,
    began + CASE WHEN a = attempts - 1 THEN steps ELSE steps / 2 END * every AS ended,
    CASE WHEN a = attempts - 1 THEN steps ELSE steps / 2 END AS last_step,
    n >= (SELECT max(n) - 2 FROM shape) AND a = attempts - 1 AS is_open,
    CASE WHEN n >= (SELECT max(n) - 2 FROM shape) AND a = attempts - 1 THEN NULL
      WHEN a < attempts - 1 THEN 'preempted' WHEN n % 9 = 4 THEN 'failed' ELSE 'success'
    END AS status
  FROM (SELECT *, CASE WHEN n % 3 = 0 THEN 2 ELSE 1 END AS attempts FROM shape) s,
    LATERAL generate_series(0, attempts - 1) a
) made;

INSERT INTO events (id, run_id, attempt, step, created_at, kind, level, name, message, details)
SELECT md5('event' || n || '/' || i)::uuid, run_id, 0, i * every_steps, began + i * every_steps * every,
  (ARRAY['checkpoint', 'checkpoint', 'state', 'guard', 'budget', 'oom'])[1 + i % 6],
  CASE WHEN i % 6 < 3 THEN 'info' WHEN i % 6 = 5 THEN 'error' ELSE 'warning' END,
  (ARRAY['saved', 'uploaded', 'attempt_started', 'zero_variance', 'forecast', 'halved'])[1 + i % 6],
  'What happened at step ' || i * every_steps || '.', jsonb_build_object('share', pg_temp.share(i::text))
FROM (SELECT *, greatest(1, steps / 60) AS every_steps FROM shape) s,
  LATERAL generate_series(0, least(steps, 60)) i;

INSERT INTO checkpoints (id, run_id, attempt, step, created_at, path, uri, sha256, bytes, seconds,
  is_final)
SELECT md5('checkpoint' || n || '/' || i)::uuid, run_id, 0, i * steps / 4, began + i * steps / 4 * every,
  'checkpoint-' || i * steps / 4, 's3://bucket/' || run_id || '/checkpoint-' || i * steps / 4,
  md5('a' || i) || md5('b' || i), 150000000 + i, 1.5 + i, i = 4
FROM shape, generate_series(1, 4) i WHERE job_type <> 'eval';

INSERT INTO artifacts (id, run_id, attempt, created_at, kind, path, uri, sha256, bytes)
SELECT md5('artifact' || n || '/' || name)::uuid, run_id, 0, began, name, name || '.json', NULL,
  md5('c' || n) || md5('d' || n), 20000
FROM shape, unnest(ARRAY['manifest', 'results', 'metrics']) name;

-- The same numbers that an RL or SFT trainer logs at each step, and what the attempt used.
INSERT INTO metrics (id, run_id, attempt, step, created_at, kind, name, value)
SELECT md5('metric' || n || '/' || step || '/' || kind || name)::uuid, run_id,
  CASE WHEN n % 3 = 0 AND step > steps / 2 THEN 1 ELSE 0 END, step, began + step * every, kind, name,
  CASE WHEN name = 'cost' THEN step * 0.02
    WHEN name = 'tokens_per_second' THEN 9000 + 2000 * pg_temp.share(n || 's' || step)
    ELSE 1 - 0.8 * step / steps + 0.1 * pg_temp.share(n || name || step) END
FROM shape, LATERAL generate_series(1, steps) step,
  LATERAL (
    SELECT 'train' AS kind, unnest(ARRAY['loss', 'grad_norm', 'learning_rate', 'entropy',
      'num_tokens', 'epoch']) AS name
    UNION ALL SELECT 'train', unnest(ARRAY['reward', 'reward_std', 'frac_reward_zero_std', 'kl',
      'completions/mean_length', 'completions/clipped_ratio', 'clip_ratio/region_mean',
      'rewards/consistent/mean', 'rewards/consistent/std', 'rewards/dictionary/mean',
      'rewards/dictionary/std', 'rewards/format/mean', 'rewards/format/std'])
      WHERE job_type = 'rl'
    UNION ALL SELECT 'phase', unnest(ARRAY['generate', 'reward', 'forward_backward', 'save'])
      WHERE job_type = 'rl'
    UNION ALL SELECT 'system', unnest(ARRAY['tokens_per_second', 'cost', 'seconds_per_step'])
  ) named
WHERE job_type <> 'eval' AND step % logs_every = 0;

INSERT INTO sft_metrics (id, run_id, attempt, step, created_at, epoch, loss, learning_rate,
  grad_norm, mean_token_accuracy, entropy, num_tokens, eval_loss, eval_mean_token_accuracy)
SELECT md5('sft' || n || '/' || step || '/' || is_eval)::uuid, run_id,
  CASE WHEN n % 3 = 0 AND step > steps / 2 THEN 1 ELSE 0 END, step, began + step * every,
  step * 1.0 / steps, CASE WHEN NOT is_eval THEN 2 - step * 1.5 / steps END, 1e-5, 1.0, 0.7, 0.5,
  step * 4000, CASE WHEN is_eval THEN 2.1 - step * 1.4 / steps END, NULL
FROM shape, LATERAL generate_series(1, steps) step, (VALUES (false), (true)) kinds(is_eval)
WHERE job_type = 'sft' AND step % logs_every = 0 AND (NOT is_eval OR step % greatest(1, steps / 10) = 0);

INSERT INTO epoch_metrics (id, run_id, attempt, step, created_at, epoch, loss, kl, reward_mean,
  reward_std, zero_std_share, entropy, completion_length, truncated_share, clip_ratio,
  learning_rate, grad_norm, num_tokens)
SELECT md5('epoch' || n || '/' || step)::uuid, run_id,
  CASE WHEN n % 3 = 0 AND step > steps / 2 THEN 1 ELSE 0 END, step, began + step * every,
  step * 1.0 / steps, 0.01, 0.02, 0.2 + 0.6 * step / steps, 0.3, 0.1, 0.5, 60, 0.02, 0.1, 1e-5, 0.4,
  step * 5000
FROM shape, LATERAL generate_series(1, steps) step WHERE job_type = 'rl';

INSERT INTO rollouts (id, run_id, attempt, step, created_at, phase, group_index, sampling_round,
  prompt, prompt_hash, reward_mean, reward_std, zero_variance, policy_version)
SELECT md5('rollout' || n || '/' || i)::uuid, run_id,
  CASE WHEN n % 3 = 0 AND i / groups >= steps / 2 THEN 1 ELSE 0 END, i / groups,
  began + i / groups * every, 'rl', i % groups, 0,
  'Guess the word from these turns: ' || md5('p' || i % 5000) || ' ' || md5('q' || i % 5000)
    || ' ' || md5('r' || i % 5000) || ' ' || md5('s' || i % 5000) || ' Answer with one word.',
  left(md5('p' || i % 5000), 16), pg_temp.share(n || 'mean' || i),
  CASE WHEN i % 10 = 3 THEN 0 ELSE 0.3 END, i % 10 = 3, i / groups
FROM shape, LATERAL generate_series(0, steps::bigint * groups - 1) i WHERE job_type = 'rl';

INSERT INTO generations (id, run_id, attempt, step, created_at, phase, rollout_id, index,
  completion, tokens, truncated, reward, advantage, logprob_gap, latency_seconds, extras)
SELECT md5('generation' || n || '/' || i)::uuid, run_id,
  CASE WHEN n % 3 = 0 AND i / (groups * size) >= steps / 2 THEN 1 ELSE 0 END, i / (groups * size),
  began + i / (groups * size) * every, 'rl', md5('rollout' || n || '/' || i / size)::uuid, i % size,
  'The turns say ' || md5('t' || i) || md5('u' || i) || ' so the word is ' || md5('v' || i)
    || md5('w' || i) || ' <guess>' || left(md5('x' || i), 5) || '</guess>',
  50 + i % 17, i % 50 = 0, pg_temp.share(n || 'reward' || i), pg_temp.share(n || 'gap' || i) - 0.5,
  0.001, 1.2, NULL
FROM shape, LATERAL generate_series(0, steps::bigint * groups * size - 1) i WHERE job_type = 'rl';

INSERT INTO reward_components (generation_id, name, run_id, step, created_at, value, weight)
SELECT md5('generation' || n || '/' || i)::uuid, name, run_id, i / (groups * size),
  began + i / (groups * size) * every,  pg_temp.share(name || i), weight
FROM shape, LATERAL generate_series(0, steps::bigint * groups * size - 1) i,
  (VALUES ('consistent', 1.0), ('dictionary', 0.3), ('format', 0.2)) functions(name, weight)
WHERE job_type = 'rl';

INSERT INTO generations (id, run_id, attempt, step, created_at, phase, rollout_id, index,
  completion, tokens, truncated, reward, advantage, logprob_gap, latency_seconds, extras)
SELECT md5('answer' || n || '/' || i)::uuid, run_id, 0, 0, began + i * interval '10 ms', 'eval', NULL, 0,
  'It is ' || md5('y' || i) || md5('z' || i) || ' <guess>' || left(md5('x' || i), 5) || '</guess>',
  40 + i % 13, false, NULL, NULL, NULL, 1.1, NULL
FROM shape, LATERAL generate_series(0, samples - 1) i WHERE job_type = 'eval';

INSERT INTO eval_samples (id, run_id, attempt, step, created_at, generation_id, row_id,
  sample_index, model, prompt, prompt_hash, expected_answer, scores)
SELECT md5('answer' || n || '/' || i)::uuid, run_id, 0, 0, began + i * interval '10 ms',
  md5('answer' || n || '/' || i)::uuid, 'row-' || i, 0, '', 'Guess: ' || md5('p' || i),
  left(md5('p' || i), 16), left(md5('x' || i), 5),
  jsonb_build_object('correct', pg_temp.share(n || 'correct' || i) < 0.3 + 0.02 * (n % 10),
    'score', pg_temp.share(n || 'score' || i))
FROM shape, LATERAL generate_series(0, samples - 1) i WHERE job_type = 'eval';
