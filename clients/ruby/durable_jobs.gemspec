# frozen_string_literal: true

Gem::Specification.new do |spec|
  spec.name = "durable_jobs"
  spec.version = "0.1.0"
  spec.summary = "Submits durable jobs from Ruby."
  spec.authors = ["The Durable Jobs authors"]
  spec.license = "Apache-2.0"
  spec.required_ruby_version = ">= 3.1"
  spec.files = Dir["lib/**/*.rb"] + ["README.md"]
  spec.add_dependency "aws-sdk-dynamodb", "~> 1"
  # Only for payloads over 200 KB and for direct invokes; `durable_execution_name` is of late 2025.
  spec.add_dependency "aws-sdk-lambda", "~> 1"
  spec.add_dependency "aws-sdk-s3", "~> 1"
end
