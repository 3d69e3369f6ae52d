-- What the first version of the telemetry made here, as its code printed it.

CREATE TABLE epoch_metrics (
  epoch DOUBLE,
  loss DOUBLE,
  kl DOUBLE,
  reward_mean DOUBLE,
  reward_std DOUBLE,
  zero_std_share DOUBLE,
  entropy DOUBLE,
  completion_length DOUBLE,
  truncated_share DOUBLE,
  clip_ratio DOUBLE,
  learning_rate DOUBLE,
  grad_norm DOUBLE,
  num_tokens BIGINT,
  id CHAR(32) NOT NULL,
  run_id TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  step BIGINT NOT NULL,
  created_at DATETIME NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX ix_epoch_metrics_run ON epoch_metrics (run_id, attempt, step);

CREATE TABLE rollouts (
  phase TEXT NOT NULL,
  group_index BIGINT NOT NULL,
  prompt TEXT NOT NULL,
  reward_mean DOUBLE,
  reward_std DOUBLE,
  id CHAR(32) NOT NULL,
  run_id TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  step BIGINT NOT NULL,
  created_at DATETIME NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX ix_rollouts_run ON rollouts (run_id, attempt, step);

CREATE TABLE sft_metrics (
  epoch DOUBLE,
  loss DOUBLE,
  learning_rate DOUBLE,
  grad_norm DOUBLE,
  mean_token_accuracy DOUBLE,
  entropy DOUBLE,
  num_tokens BIGINT,
  eval_loss DOUBLE,
  eval_mean_token_accuracy DOUBLE,
  id CHAR(32) NOT NULL,
  run_id TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  step BIGINT NOT NULL,
  created_at DATETIME NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX ix_sft_metrics_run ON sft_metrics (run_id, attempt, step);

CREATE TABLE generations (
  phase TEXT NOT NULL,
  rollout_id CHAR(32),
  "index" BIGINT NOT NULL,
  completion TEXT NOT NULL,
  tokens BIGINT,
  reward DOUBLE,
  rewards JSON,
  row_id TEXT,
  prompt TEXT,
  scores JSON,
  id CHAR(32) NOT NULL,
  run_id TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  step BIGINT NOT NULL,
  created_at DATETIME NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(rollout_id) REFERENCES rollouts (id)
);

CREATE INDEX ix_generations_rollout ON generations (rollout_id);

CREATE INDEX ix_generations_run ON generations (run_id, attempt, phase, step);
