-- What the first version of the telemetry made here, as its code printed it.

CREATE TABLE epoch_metrics (
  epoch DOUBLE PRECISION,
  loss DOUBLE PRECISION,
  kl DOUBLE PRECISION,
  reward_mean DOUBLE PRECISION,
  reward_std DOUBLE PRECISION,
  zero_std_share DOUBLE PRECISION,
  entropy DOUBLE PRECISION,
  completion_length DOUBLE PRECISION,
  truncated_share DOUBLE PRECISION,
  clip_ratio DOUBLE PRECISION,
  learning_rate DOUBLE PRECISION,
  grad_norm DOUBLE PRECISION,
  num_tokens BIGINT,
  id UUID NOT NULL,
  run_id TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  step BIGINT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX ix_epoch_metrics_run ON epoch_metrics (run_id, attempt, step);

CREATE TABLE rollouts (
  phase TEXT NOT NULL,
  group_index BIGINT NOT NULL,
  prompt TEXT NOT NULL,
  reward_mean DOUBLE PRECISION,
  reward_std DOUBLE PRECISION,
  id UUID NOT NULL,
  run_id TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  step BIGINT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX ix_rollouts_run ON rollouts (run_id, attempt, step);

CREATE TABLE sft_metrics (
  epoch DOUBLE PRECISION,
  loss DOUBLE PRECISION,
  learning_rate DOUBLE PRECISION,
  grad_norm DOUBLE PRECISION,
  mean_token_accuracy DOUBLE PRECISION,
  entropy DOUBLE PRECISION,
  num_tokens BIGINT,
  eval_loss DOUBLE PRECISION,
  eval_mean_token_accuracy DOUBLE PRECISION,
  id UUID NOT NULL,
  run_id TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  step BIGINT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX ix_sft_metrics_run ON sft_metrics (run_id, attempt, step);

CREATE TABLE generations (
  phase TEXT NOT NULL,
  rollout_id UUID,
  index BIGINT NOT NULL,
  completion TEXT NOT NULL,
  tokens BIGINT,
  reward DOUBLE PRECISION,
  rewards JSONB,
  row_id TEXT,
  prompt TEXT,
  scores JSONB,
  id UUID NOT NULL,
  run_id TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  step BIGINT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(rollout_id) REFERENCES rollouts (id)
);

CREATE INDEX ix_generations_rollout ON generations (rollout_id);

CREATE INDEX ix_generations_run ON generations (run_id, attempt, phase, step);
