# frozen_string_literal: true

require "digest"
require "json"
require "securerandom"
require "time"

require_relative "errors"

module DurableJobs
  # A job that is safely submitted; `new?` is false where the row was there already, be it from an
  # earlier try of this very call whose answer got lost.
  Submission = Struct.new(:job_id, :new, keyword_init: true) do
    alias_method :new?, :new
  end

  # Submits jobs to one job table. The row is the submission: once `submit` returns, the job runs.
  class Client
    include Translation

    JOB_ID = /\A[A-Za-z0-9_-]{1,48}\z/
    JOB_TYPE = /\A[a-z0-9-]{1,40}\z/
    MAX_PAYLOAD_BYTES = 200 * 1024
    ALREADY_STARTED = "DurableExecutionAlreadyStartedException"
    # A synchronous invoke answers after the whole execution, 15 minutes at most.
    LONGEST_RUN_SECONDS = 15 * 60

    # The SDK's clients are made when they are first used, unless they are given.
    def initialize(table_name:, dynamodb: nil, lambda_client: nil, s3: nil, payload_bucket: nil)
      @table_name = table_name
      @dynamodb = dynamodb
      @lambda = lambda_client
      @s3 = s3
      @payload_bucket = payload_bucket
    end

    # Hand a job over for good, with one conditional write. The same again with the same job id is
    # the same job; that is how to go on after an error whose `retry?` is true, or after a crash.
    #
    # `dispatch: "direct"` is for a caller that runs the job itself with `run`.
    def submit(type:, payload:, job_id: SecureRandom.uuid, run_at: nil, dispatch: nil)
      check(job_id, type, run_at, dispatch)
      text = payload_text(payload)
      now = Time.now.utc.iso8601(3)
      item = {
        "job_id" => job_id, "job_type" => type, "status" => "pending", "created_at" => now,
        "open_status" => "pending", "open_since" => now
      }
      item.merge!(stored(job_id, text))
      item["run_at"] = run_at.utc.iso8601(3) if run_at
      item["dispatch"] = dispatch if dispatch
      is_new = put(item)
      check_same(item) unless is_new
      Submission.new(job_id: job_id, new: is_new)
    end

    # Start a submitted job a moment sooner than the stream does; optional, since it runs anyway.
    # Returns :accepted, or :already_started where the dispatcher was first: both are success.
    def invoke(type:, job_id:, function:)
      call(type, job_id, function, "Event")
      :accepted
    rescue AlreadyStarted
      :already_started
    end

    # Run a job that was submitted with `dispatch: "direct"`, and return its result.
    #
    # Raises JobFailed where it ends badly. Returns :already_started where another execution has the
    # job: read its row until it ends.
    def run(type:, job_id:, function:)
      response = call(type, job_id, function, "RequestResponse")
      answer = parse(response.payload)
      # HTTP said 200 all the same: the SDK does not raise.
      if response.function_error
        answer = {} unless answer.is_a?(Hash)
        raise JobFailed.new(answer["errorMessage"] || "job #{job_id} failed", answer["errorType"])
      end
      return :already_started if answer.is_a?(Hash) && answer["claimed"] == false

      answer
    rescue AlreadyStarted
      :already_started
    end

    # The row, or nil.
    def get(job_id)
      translated("PutItem") do
        dynamodb.get_item(
          table_name: @table_name, key: {"job_id" => job_id}, consistent_read: true
        ).item
      end
    end

    # Never leaves this class.
    class AlreadyStarted < Error; end
    private_constant :AlreadyStarted

    private

    def check(job_id, type, run_at, dispatch)
      JOB_ID.match?(job_id) or
        raise InvalidJob, "job_id #{job_id.inspect} must be 1 to 48 of A-Z a-z 0-9 - _"
      JOB_TYPE.match?(type) or
        raise InvalidJob, "type #{type.inspect} must be 1 to 40 of a-z 0-9 -"
      [nil, "direct"].include?(dispatch) or
        raise InvalidJob, "dispatch #{dispatch.inspect} must be \"direct\" or left out"
      run_at.nil? || run_at.respond_to?(:utc) or raise InvalidJob, "run_at must be a Time"
      run_at && dispatch and raise InvalidJob, "run_at cannot be combined with dispatch"
    end

    def payload_text(payload)
      payload.is_a?(Hash) or raise InvalidJob, "payload must be a Hash, not #{payload.class}"
      JSON.generate(canonical(payload))
    rescue JSON::GeneratorError, JSON::NestingError => error
      raise InvalidJob, "payload cannot be written as JSON: #{error.message}"
    end

    # One text for one value, so that a repeated submission is recognised.
    def canonical(value)
      case value
      when Hash then value.map { |key, item| [key.to_s, canonical(item)] }.sort.to_h
      when Array then value.map { |item| canonical(item) }
      else value
      end
    end

    # The payload's place: the row, or the payload bucket where it is too large for it.
    def stored(job_id, text)
      return {"payload" => text} if text.bytesize <= MAX_PAYLOAD_BYTES

      @payload_bucket or raise InvalidJob, "payload has #{text.bytesize} bytes: give payload_bucket"
      key = "payloads/#{job_id}/#{Digest::SHA256.hexdigest(text)}"
      translated("PutObject") do
        s3.put_object(
          bucket: @payload_bucket, key: key, body: text, content_type: "application/json"
        )
      end
      {"payload_ref" => key}
    end

    # True where the row is new, false where the id was taken.
    def put(item)
      translated("PutItem") do
        dynamodb.put_item(
          table_name: @table_name, item: item,
          condition_expression: "attribute_not_exists(job_id)"
        )
        true
      rescue StandardError => error
        raise unless code_of(error) == "ConditionalCheckFailedException"

        false
      end
    end

    def check_same(item)
      row = get(item["job_id"]) || {}
      same_payload = row["payload_ref"] == item["payload_ref"] &&
        parse(row["payload"]) == parse(item["payload"])
      return if row["job_type"] == item["job_type"] && same_payload

      raise Conflict, "job id #{item["job_id"]} belongs to a job of another type or payload"
    end

    # The very bytes that the dispatcher sends, under the very name: whoever is second joins the
    # first, and a repeated call starts nothing.
    def call(type, job_id, function, invocation_type)
      check(job_id, type, nil, nil)
      translated("Invoke") do
        lambda_client.invoke(
          function_name: function, invocation_type: invocation_type,
          durable_execution_name: "#{job_id}-1",
          payload: JSON.generate({"attempt" => 1, "job_id" => job_id, "job_type" => type})
        )
      rescue StandardError => error
        raise unless code_of(error) == ALREADY_STARTED

        raise AlreadyStarted
      end
    end

    def code_of(error) = error.respond_to?(:code) ? error.code : nil

    def parse(text)
      text = text.read if text.respond_to?(:read)
      text.nil? || text.empty? ? nil : JSON.parse(text)
    rescue JSON::ParserError
      text
    end

    def dynamodb
      @dynamodb ||= begin
        require "aws-sdk-dynamodb"
        Aws::DynamoDB::Client.new
      end
    end

    def lambda_client
      @lambda ||= begin
        require "aws-sdk-lambda"
        Aws::Lambda::Client.new(http_read_timeout: LONGEST_RUN_SECONDS + 30, retry_limit: 0)
      end
    end

    def s3
      @s3 ||= begin
        require "aws-sdk-s3"
        Aws::S3::Client.new
      end
    end
  end
end
