# frozen_string_literal: true

# ruby clients/ruby/test/test_client.rb; needs no gem and no AWS.

require "minitest/autorun"
require_relative "../lib/durable_jobs"

# What the SDK raises for an answer of AWS.
class ServiceError < StandardError
  attr_reader :code, :context

  def initialize(code, status = 400)
    super("AWS says why")
    @code = code
    @context = Struct.new(:http_response).new(Struct.new(:status_code).new(status))
  end
end

# The SDK's own classes, by the names that the client looks for.
module Seahorse
  module Client
    class NetworkingError < StandardError
      attr_reader :original_error

      def initialize(original_error)
        super(original_error.message)
        @original_error = original_error
      end
    end
  end
end

module Net
  class ReadTimeout < StandardError; end unless const_defined?(:ReadTimeout)
end

# A table with the one condition that matters.
class FakeDynamoDB
  attr_reader :rows, :puts
  attr_accessor :error

  def initialize
    @rows = {}
    @puts = 0
  end

  def put_item(table_name:, item:, condition_expression:)
    raise error if error
    raise "unexpected condition" unless condition_expression == "attribute_not_exists(job_id)"
    raise "unexpected table" unless table_name == "jobs"

    @puts += 1
    raise ServiceError, "ConditionalCheckFailedException" if rows.key?(item["job_id"])

    rows[item["job_id"]] = item
  end

  def get_item(table_name:, key:, consistent_read:)
    raise "unexpected read" unless table_name == "jobs" && consistent_read

    Struct.new(:item).new(rows[key["job_id"]])
  end
end

class FakeS3
  attr_reader :objects

  def initialize = @objects = {}

  def put_object(bucket:, key:, body:, content_type:)
    raise "unexpected object" unless bucket == "payloads" && content_type == "application/json"

    objects[key] = body
  end
end

class FakeLambda
  attr_reader :calls
  attr_accessor :answer

  def initialize = @calls = []

  def invoke(**request)
    calls << request
    raise answer if answer.is_a?(Exception)

    answer
  end
end

class ClientTest < Minitest::Test
  MAIL = {to: "ann@example.com", subject: "Hello"}.freeze
  ALIAS = "arn:aws:lambda:eu-west-1:123456789012:function:SendEmail:live"
  Answer = Struct.new(:function_error, :payload)

  def setup
    @dynamodb = FakeDynamoDB.new
    @s3 = FakeS3.new
    @lambda = FakeLambda.new
    @jobs = DurableJobs::Client.new(
      table_name: "jobs", dynamodb: @dynamodb, lambda_client: @lambda, s3: @s3,
      payload_bucket: "payloads"
    )
  end

  def submit(**arguments)
    @jobs.submit(**{type: "send-email", payload: MAIL, job_id: "job-1"}.merge(arguments))
  end

  def test_the_row_is_all_that_the_dispatcher_needs
    assert_predicate submit, :new?

    row = @dynamodb.rows.fetch("job-1")
    assert_equal %w[job_id job_type status created_at open_status open_since payload], row.keys
    assert_equal %w[pending pending], row.values_at("status", "open_status")
    assert_equal '{"subject":"Hello","to":"ann@example.com"}', row["payload"]
    assert_match(/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/, row["created_at"])
    assert_equal row["created_at"], row["open_since"]
  end

  def test_the_same_submission_again_is_the_same_job
    submit

    refute_predicate submit(payload: {"subject" => "Hello", "to" => "ann@example.com"}), :new?
    assert_equal 1, @dynamodb.rows.size
  end

  def test_the_same_id_with_another_payload_or_type_is_a_conflict
    submit

    assert_raises(DurableJobs::Conflict) { submit(payload: {to: "bob@example.com"}) }
    assert_raises(DurableJobs::Conflict) { submit(type: "resize-image") }
    assert_raises(DurableJobs::Conflict) { submit(payload: {text: "x" * 300 * 1024}) }
  end

  def test_a_large_payload_goes_to_the_bucket_first
    submit(payload: {text: "x" * 300 * 1024})

    row = @dynamodb.rows.fetch("job-1")
    body = @s3.objects.fetch(row["payload_ref"])
    assert_equal "payloads/job-1/#{Digest::SHA256.hexdigest(body)}", row["payload_ref"]
    refute row.key?("payload")
    refute_predicate submit(payload: {text: "x" * 300 * 1024}), :new?
  end

  def test_a_wrong_argument_is_refused_before_any_call
    [
      {job_id: "order#1"}, {job_id: ""}, {job_id: "a" * 49}, {job_id: "a\n"}, {type: "Send_Email"},
      {payload: [1]}, {payload: {n: Float::NAN}}, {dispatch: "later"}, {run_at: "soon"},
      {run_at: Time.now, dispatch: "direct"}
    ].each do |wrong|
      assert_raises(DurableJobs::InvalidJob, wrong.inspect) { submit(**wrong) }
    end
    assert_equal 0, @dynamodb.puts
  end

  def test_every_answer_of_aws_is_raised_by_the_contract
    DurableJobs::ERROR_KINDS.fetch("PutItem").each do |code, kind|
      next if kind == "conflict"

      @dynamodb.error = ServiceError.new(code)
      error = assert_raises(DurableJobs::Error) { submit }

      assert_instance_of DurableJobs::Translation::CLASSES.fetch(kind), error
      assert_equal %w[throttled unanswered unreachable].include?(kind), error.retry?
    end
  end

  def test_an_answer_that_nobody_listed_is_judged_by_its_status
    @dynamodb.error = ServiceError.new("SomethingNew", 503)
    assert_raises(DurableJobs::Unanswered) { submit }

    @dynamodb.error = ServiceError.new("SomethingNew", 400)
    assert_raises(DurableJobs::Refused) { submit }
  end

  def test_no_connection_and_no_answer_are_two_things
    @dynamodb.error = Seahorse::Client::NetworkingError.new(Errno::ECONNREFUSED.new)
    assert_raises(DurableJobs::Unreachable) { submit }

    @dynamodb.error = Seahorse::Client::NetworkingError.new(Net::ReadTimeout.new)
    assert_predicate assert_raises(DurableJobs::Unanswered) { submit }, :retry?
  end

  def test_a_bug_of_the_caller_is_not_hidden
    @dynamodb.error = NoMethodError.new("a bug")

    assert_raises(NoMethodError) { submit }
  end

  def test_a_direct_event_is_what_the_dispatcher_sends
    assert_equal :accepted, @jobs.invoke(type: "send-email", job_id: "job-1", function: ALIAS)

    assert_equal(
      [{
        function_name: ALIAS, invocation_type: "Event", durable_execution_name: "job-1-1",
        payload: '{"attempt":1,"job_id":"job-1","job_type":"send-email"}'
      }],
      @lambda.calls
    )
  end

  def test_a_start_by_someone_else_is_success
    @lambda.answer = ServiceError.new("DurableExecutionAlreadyStartedException", 409)

    arguments = {type: "send-email", job_id: "job-1", function: ALIAS}
    assert_equal :already_started, @jobs.invoke(**arguments)
    assert_equal :already_started, @jobs.run(**arguments)
  end

  def test_a_synchronous_run_returns_the_result
    @lambda.answer = Answer.new(nil, StringIO.new('{"message_id":"m-1"}'))

    result = @jobs.run(type: "send-email", job_id: "job-1", function: ALIAS)

    assert_equal({"message_id" => "m-1"}, result)
    assert_equal "RequestResponse", @lambda.calls.first[:invocation_type]
  end

  def test_a_run_that_lost_the_claim_says_so
    @lambda.answer = Answer.new(nil, StringIO.new('{"claimed":false,"job_id":"job-1"}'))

    assert_equal :already_started,
                 @jobs.run(type: "send-email", job_id: "job-1", function: ALIAS)
  end

  def test_a_failed_run_is_raised_although_http_said_200
    @lambda.answer = Answer.new(
      "Unhandled", StringIO.new('{"errorType":"MailRejectedError","errorMessage":"declined"}')
    )

    error = assert_raises(DurableJobs::JobFailed) do
      @jobs.run(type: "send-email", job_id: "job-1", function: ALIAS)
    end

    assert_equal %w[MailRejectedError declined], [error.error_type, error.message]
  end

  def test_a_throttled_invoke_can_be_repeated
    @lambda.answer = ServiceError.new("TooManyRequestsException", 429)

    error = assert_raises(DurableJobs::Throttled) do
      @jobs.invoke(type: "send-email", job_id: "job-1", function: ALIAS)
    end

    assert_predicate error, :retry?
  end

  def test_the_shortcuts_use_one_client
    DurableJobs.client = @jobs

    assert_predicate DurableJobs.submit(type: "send-email", payload: MAIL, job_id: "job-1"), :new?
    assert_equal "send-email", DurableJobs.get("job-1")["job_type"]
    assert_nil DurableJobs.get("job-9")
  end
end
